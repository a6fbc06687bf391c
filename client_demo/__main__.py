"""`python -m client_demo bots ...` and `python -m client_demo watch ...`, without the server."""

from cyclopts import App

from client_demo.cli import bots, watch


def main() -> None:
    """Run the command line."""
    app = App(name="client_demo", help="Clients of a Shoal world: bots and a live map.")
    app.command(bots)
    app.command(watch)
    app()


if __name__ == "__main__":
    main()
