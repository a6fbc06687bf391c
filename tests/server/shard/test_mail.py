"""Mail arrives as it was written, or is refused with a MailError and nothing else."""

import contextlib
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor
from server.shard import mail
from server.shard.mail import Input, Join, Mail, MailError, is_token

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("session", "entity", "tick", "view", "since"), u64),
    **dict.fromkeys(("generation", "times", "hop", "seq", "applied", "shard", "kind", "code"), u32),
    **dict.fromkeys(("token", "token_hash", "next_hash", "frame"), st.binary(max_size=64)),
    **dict.fromkeys(("name", "reason"), st.text(max_size=50)),
    "cells": st.lists(u32, max_size=5).map(tuple),
    "told": st.lists(st.tuples(u64, st.binary())).map(tuple),
    "values": st.lists(st.integers(-5, 2**63) | st.text(max_size=9), max_size=8).map(tuple),
}
items = st.one_of(
    [
        st.builds(kind, **{field.name: FIELDS[field.name] for field in attrs.fields(kind)})
        for kind in mail._NUMBERS.values()
    ]
)
names = st.from_regex(r"[a-z0-9\-]{1,20}", fullmatch=True)


@given(names, st.lists(items, max_size=5))
def test_mail_arrives_as_it_was_written(sender: str, content: list[Any]) -> None:
    sent = Mail(sender, tuple(content))
    assert Mail.decode(sent.encode()) == sent


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_mail_or_an_error(data: bytes) -> None:
    with contextlib.suppress(MailError):
        Mail.decode(data)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=9),
    max_leaves=20,
)


@given(names, st.lists(st.lists(plain, max_size=9), max_size=3))
def test_arbitrary_items_are_mail_or_an_error(sender: str, rows: list[Any]) -> None:
    data = cbor.dumps([sender, rows])
    try:
        decoded = Mail.decode(data)
    except MailError:
        return
    assert decoded.encode() == data, "what is accepted is exactly what would be written"


@pytest.mark.parametrize(
    "row",
    [
        [0, -1, b"", ""],
        [0, 2**64, b"", ""],
        [0, True, b"", ""],
        [0, 1, "text", ""],
        [0, 1, b"", "x" * 1000],
        [0, 1, b""],
        [99],
    ],
)
def test_fields_out_of_range_are_refused(row: list[Any]) -> None:
    with pytest.raises(MailError):
        Mail.decode(cbor.dumps(["g", [row], []]))


@pytest.mark.parametrize(
    "row",
    [
        [1, 1, 1, 1, 1, 1, [1.5]],
        [1, 1, 1, 1, 1, 1, [0] * 1000],
        [1, 1, 1, 1, 1, 1, None],
        [1, 1, 1, 1, 1, 1],
        [1, 1, True, 1, 1, 1, []],
        [1, 1, 1, -1, 1, 1, []],
        [2**64, 1, 1, 1, 1, 1, []],
        [1, 2**32, 1, 1, 1, 1, []],
        7,
    ],
)
def test_inputs_out_of_range_are_refused(row: Any) -> None:
    with pytest.raises(MailError):
        Mail.decode(cbor.dumps(["g", [], [row]]))


@pytest.mark.parametrize("sender", ["", "a.b", "*", ">", "a b", "ü", "x" * 100])
def test_a_sender_must_fit_a_subject(sender: str) -> None:
    assert not is_token(sender)
    with pytest.raises(MailError):
        Mail.decode(cbor.dumps([sender, [], []]))


def test_an_input_is_compact() -> None:
    one = len(Mail("g", (Input(2**63, 1, 7, 900, 900 * 256, 0, (4, 9)),)).encode())
    assert one < 40, "thousands of these travel each tick"
    assert len(Mail("g", (Join(1, b"x" * 32, "ann"),)).encode()) < 60
