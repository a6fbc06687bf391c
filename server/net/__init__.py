"""Links to clients over sockets and over memory, and the listening that makes them; on the same
port, pages for browsers.

The only room of the server that knows trio-websocket and h11. `link.Link` is the seam to the game:
everything beyond it sees whole messages come in and pushes prebuilt frames out, without waiting.
`pages.Pages` is the seam to the page: a request comes in and a reply goes out.
"""
