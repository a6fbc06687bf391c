"""Arguments of commands as plain data, so that they travel and can be journalled.

It must not know commands.
"""

from typing import Any

import numpy as np

from sim.errors import GameError


def plain(where: str, value: Any) -> Any:
    """Numbers, texts, bytes, None, and lists of them; numpy's numbers become Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, list | tuple):
        return [plain(where, each) for each in value]
    raise GameError(f"{where} takes numbers, texts and lists of them, not {value!r}.")
