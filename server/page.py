"""Finding the page that browsers get: a folder that another package names by the entry-point group
`shoal.pages`, so that the server need not import it.
"""

from collections.abc import Mapping
from importlib.metadata import entry_points
from ipaddress import ip_address

from server.net.action import Action
from server.net.binding import authority
from server.net.pages import Pages, PagesError, read_folder
from server.settings import Settings

__all__ = ["load_pages", "page_url"]

GROUP = "shoal.pages"


def load_pages(settings: Settings, actions: Mapping[str, Action] | None = None) -> Pages:
    """The installed page, with what it may ask the server to do.

    Raises PagesError when there is none, or more than one, or its folder cannot be served.
    """
    found = entry_points(group=GROUP)
    if len(found) != 1:
        names = ", ".join(sorted(entry.value for entry in found)) or "none"
        raise PagesError(f"page: exactly one package must bring a page ({GROUP}); there is {names}")
    (entry,) = found
    return Pages(read_folder(entry.load()()), actions, settings.origins)


def page_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the page of a server that listens on `host`."""
    if host != "localhost" and ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://{authority(host, port)}/"
