"""Links to clients over sockets and over memory, and the listening that makes them.

The only room of the server that knows trio-websocket. `link.Link` is the seam: everything beyond it
sees whole messages come in and pushes prebuilt frames out, without waiting.
"""
