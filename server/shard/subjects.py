"""The bus's subjects of one world: who publishes and who listens where.

Must not know: what is published.
"""

from server.shard import limits

__all__ = [
    "bulletin_subject",
    "frame_subject",
    "gateway_subject",
    "heir_sender",
    "inbox_subject",
    "is_token",
    "resume_subject",
    "shard_sender",
    "taken_subject",
]


def is_token(name: str) -> bool:
    """Whether `name` may stand as one token of a subject: short, printable, no dot or wildcard."""
    return (
        0 < len(name) <= limits.NAME_BYTES
        and name.isascii()
        and name.isprintable()
        and not set(name) & set(" .*>")
    )


def frame_subject(world: str, shard: int | str) -> str:
    """Where a shard publishes its frames; `"*"` for those of every shard."""
    return f"{world}.frame.{shard}"


def bulletin_subject(world: str, shard: int | str) -> str:
    """Where a shard tells what concerns every gateway; `"*"` for those of every shard."""
    return f"{world}.bulletin.{shard}"


def inbox_subject(world: str, shard: int) -> str:
    """Where a shard takes its mail."""
    return f"{world}.inbox.{shard}"


def resume_subject(world: str) -> str:
    """Where gateways ask all shards for the owner of a session."""
    return f"{world}.resume"


def gateway_subject(world: str, gateway: str) -> str:
    """Where a gateway (or a shard in a gateway's role, see `shard_sender`) takes replies."""
    return f"{world}.gateway.{gateway}"


def taken_subject(world: str, source: int) -> str:
    """Where a shard learns how much of its outbox the others have taken."""
    return f"{world}.taken.{source}"


def shard_sender(shard: int) -> str:
    """The name under which a shard writes mail; replies to it go to that gateway subject."""
    return f"shard-{shard}"


def heir_sender(shard: int) -> str:
    """The name under which a shard's next owner asks the present one, as a gateway would."""
    return f"heir-{shard}"
