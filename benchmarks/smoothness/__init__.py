"""How smooth a world looks over bad links: the real client in virtual time, beside a peer.

Must not know: sockets, clocks.
"""
