"""Subjects and streams of one world. Every name carries the world, so worlds share a server.

    shoal.<world>.b.<subject>         what the bus carries, which is stored nowhere
    shoal.<world>.l.<name>            the newest word on a lease, in the stream shoal-<world>-leases
    shoal.<world>.j.<shard>.ev        a shard's records, its outs and its owners' claims, in order,
    shoal.<world>.j.<shard>.out.<to>  in a stream of its own, shoal-<world>-j-<shard>
    shoal.<world>.j.<shard>.claim
    shoal.<world>.c.<n>.<shard>.head  the newest checkpoint of a shard and its parts, in one of a
    shoal.<world>.c.<n>.<shard>.part  few streams that shards share, shoal-<world>-c-<n>

An account that may publish and subscribe `shoal.>`, `$JS.API.>`, `$JS.ACK.>` and `_INBOX.>` has
what Shoal needs.
"""

import re

import attrs

from server.cluster.nats.limits import CHECKPOINT_STREAMS
from server.cluster.seams import subject_tokens

__all__ = ["Names"]


@attrs.frozen
class Names:
    """The names of one world; ValueError unless it is letters, digits and underscores."""

    world: str = attrs.field()

    @world.validator
    def _check_world(self, _: "attrs.Attribute[str]", world: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_]+", world):
            raise ValueError(f"{world!r} names no world (letters, digits, _)")

    @property
    def bus(self) -> str:
        """What stands before every subject of the bus."""
        return f"shoal.{self.world}.b."

    # --- leases ----------------------------------------------------------------------------------

    @property
    def leases(self) -> str:
        """The stream of all leases."""
        return f"shoal-{self.world}-leases"

    @property
    def lease_prefix(self) -> str:
        """What stands before the name in a lease's subject."""
        return f"shoal.{self.world}.l."

    def lease(self, name: str) -> str:
        """The subject of a lease. ValueError for a name that can be no subject."""
        subject_tokens(name, pattern=False)
        return self.lease_prefix + name

    # --- journals --------------------------------------------------------------------------------

    def journal(self, shard: int) -> str:
        """The stream of a shard's records."""
        return f"shoal-{self.world}-j-{shard}"

    def journal_prefix(self, shard: int) -> str:
        """What stands before everything in that stream."""
        return f"shoal.{self.world}.j.{shard}."

    def records(self, shard: int, to: int | None) -> str:
        """The subject of a shard's own records, or of its outs for another shard."""
        return self.journal_prefix(shard) + ("ev" if to is None else f"out.{to}")

    def claims(self, shard: int) -> str:
        """The subject of the claims on a shard."""
        return self.journal_prefix(shard) + "claim"

    # --- checkpoints -----------------------------------------------------------------------------

    def checkpoints(self, shard: int) -> str:
        """The stream that has a shard's checkpoint."""
        return f"shoal-{self.world}-c-{shard % CHECKPOINT_STREAMS}"

    def all_checkpoints(self, shard: int) -> str:
        """Everything in that stream, whatever its shard."""
        return f"shoal.{self.world}.c.{shard % CHECKPOINT_STREAMS}.>"

    def checkpoint(self, shard: int, what: str) -> str:
        """The subject of a shard's checkpoint: its `head`, a `part`, or `>` for both."""
        return f"shoal.{self.world}.c.{shard % CHECKPOINT_STREAMS}.{shard}.{what}"
