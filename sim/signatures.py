"""Checking the functions that a game hands over: how many parameters, of which classes.

Invariants: a wrong signature is refused where the decorator stands, with the right one spelled out.

It must not know what the functions are for.
"""

import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from sim.errors import DeclarationError


def check_signature(function: Callable[..., Any], usage: str, count: int | None) -> list[Any]:
    """The annotations of the parameters (None where there is none), in order.

    `usage` is the right signature, `count` its number of parameters; None: two at least, of which
    those from the third on must be named. Raises DeclarationError.
    """
    name = getattr(function, "__name__", repr(function))
    if not inspect.isfunction(function):
        raise DeclarationError(f"{name} is not a function; write `def {usage}`.")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise DeclarationError(f"{name}: a handler is a plain function; write `def {usage}`.")
    parameters = inspect.signature(function).parameters.values()
    plain = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    fits = len(plain) >= 2 if count is None else len(plain) == len(parameters) == count
    if not fits:
        given = inspect.signature(function)
        raise DeclarationError(f"{name}{given} has the wrong parameters; write `def {usage}`.")
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise DeclarationError(
            f"{name}: an annotation names something that does not exist here: {error}"
        ) from error
    return [hints.get(parameter.name) for parameter in plain]


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The classes that an annotation allows: itself, or the members of a union."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
