"""Where the page is that a server shows to browsers; the entry point `shoal.pages` leads here.

Must not know: servers, what is on the page.
"""

from pathlib import Path

__all__ = ["folder"]


def folder() -> Path:
    """The folder whose files are the page, with an index.html."""
    return Path(__file__).parent / "web"
