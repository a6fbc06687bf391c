"""`python -m server` is the `shoal` command."""

from server.cli import main

main()
