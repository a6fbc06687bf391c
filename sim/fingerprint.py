"""A fingerprint of a game's code, so that a journal is not replayed by other rules.

What it is: a digest over the compiled code of the handlers, of the functions of their package that
they can reach by name, and of the plain constants beside them. Python's version changes it, too:
other bytecode, other fingerprint, on the safe side.

It must not know what the functions do.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any


def fingerprint(salt: str, functions: Iterable[Callable[..., Any]]) -> str:
    """16 hex digits over the code of functions and what they reach in their package."""
    found: dict[str, FunctionType] = {}
    for function in functions:
        _reach(function, _package(function), found)
    digest = hashlib.sha256(salt.encode())
    for name in sorted(found):
        digest.update(name.encode())
        for part in _parts(found[name].__code__):
            digest.update(part)
        for constant in _constants(found[name]):
            digest.update(constant.encode())
    return digest.hexdigest()[:16]


def _package(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[0] or function.__module__


def _reach(function: object, package: str, found: dict[str, FunctionType]) -> None:
    if not isinstance(function, FunctionType) or not function.__module__.startswith(package):
        return
    name = f"{function.__module__}.{function.__qualname__}"
    if name in found:
        return
    found[name] = function
    for used in _names(function.__code__):
        _reach(function.__globals__.get(used), package, found)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _parts(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant))).encode()  # its own order differs between runs
        else:
            yield repr(constant).encode()


def _constants(function: FunctionType) -> Iterator[str]:
    for name in sorted(set(_names(function.__code__))):
        value = function.__globals__.get(name)
        if isinstance(value, bool | int | float | str | tuple) and "0x" not in repr(value):
            yield f"{name}={value!r}"
