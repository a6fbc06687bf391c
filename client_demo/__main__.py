"""`python -m client_demo bots ...` (or `watch`, or `play`), without the server."""

from cyclopts import App

from client_demo.cli import bots, play, watch


def main() -> None:
    """Run the command line."""
    app = App(name="client_demo", help="Clients of a Shoal world: bots, a live map, a window.")
    app.command(bots)
    app.command(watch)
    app.command(play)
    app()


if __name__ == "__main__":
    main()
