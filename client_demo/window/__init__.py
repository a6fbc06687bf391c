"""`shoal play`: the sea in a window, played by a person; the example for games in Python.

`app` opens the window and keeps the connection; all else is synchronous and knows no clock. `stage`
is one frame from key press to picture, made of `controls` (keys to inputs), `scene` (what there is
to see), `camera` (where on the screen), `drawing` with `water` and `sprites` (how it looks), and
`hud` with `text` and `netcode` (what is told beside it).

pygame-ce, which draws it, is the extra `window`.
"""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it greets on standard output
