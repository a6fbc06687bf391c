"""How fair shots are: bots that shoot at what they see, judged on their screen and by the server.

Real shards, gateway and clients in virtual time, as in a game's tests; only the wire is simulated.
"""
