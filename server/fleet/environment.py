"""Settings as the environment of a child, which is another `shoal` and reads them there.

Everything is said, so that a child takes nothing from where it happens to run; and secrets do not
stand on a command line, which others can see.

Must not know: what settings mean.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_type_hints

import attrs
from cyclopts import Parameter

__all__ = ["environment_of"]

PREFIX: Final = "SHOAL_"


def environment_of(*settings: Any) -> dict[str, str]:
    """Our own environment, with `settings` (attrs objects for the command line) in it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | dict(pair for each in settings for pair in _said(each))


def _said(settings: Any) -> Iterator[tuple[str, str]]:
    hints: Mapping[str, Any] = get_type_hints(type(settings), include_extras=True)
    for field in attrs.fields(type(settings)):
        value = getattr(settings, field.name)
        if value is None or value == ():
            continue
        flag = _flag(hints[field.name]) or field.name
        text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        yield PREFIX + flag.replace("-", "_").upper(), text


def _flag(hint: Any) -> str:
    """The name that a field's declaration gives its flag, if any."""
    for note in hint.__metadata__:
        if isinstance(note, Parameter) and note.name:
            (name,) = note.name
            return str(name).removeprefix("--")
    return ""
