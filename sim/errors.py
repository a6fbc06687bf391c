"""Whose fault it is: the game author's (declarations, handlers) or the engine's caller's.

It must not know anything else of the package.
"""


class GameError(Exception):
    """A game does what it may not; the message names the handler, kind and field."""


class DeclarationError(GameError):
    """A game is declared in a way that cannot work; raised where the declaration stands."""


class EngineError(Exception):
    """The engine was driven wrongly, or was given bytes that it has not written."""
