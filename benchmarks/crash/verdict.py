"""Whether what the players were told and what the records say is one story.

Must not know: how either was come by.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import attrs

from benchmarks.crash import game
from benchmarks.crash.history import Happened, History

__all__ = ["Verdict", "Witness", "judge", "take"]


@attrs.define
class Witness:
    """A player, by what it was told since it joined."""

    session: int = 0
    entity: int = 0
    joined_tick: int = 0
    changed_identity: int = 0
    mismatches: int = 0
    crc_checks: int = 0
    resumes: int = 0
    told: Counter[Happened] = attrs.field(factory=Counter)


@attrs.define
class Verdict:
    """What is wrong, in sentences, and how much of each kind."""

    entities_lost: int = 0
    entities_duplicated: int = 0
    durable_events_lost: int = 0
    durable_events_repeated: int = 0
    inputs_applied_twice: int = 0
    wrong: list[str] = attrs.field(factory=list)

    def add(self, field: str, found: Iterable[object], what: str) -> None:
        """Count what was found, and say it with a few examples."""
        items = list(found)
        if items:
            setattr(self, field, getattr(self, field) + len(items))
            self.wrong.append(f"{what}: {len(items)}, such as {items[:3]}")

    def check(self, *, holds: bool, what: str) -> None:
        """Note a sentence that must hold, if it does not."""
        if not holds:
            self.wrong.append(what)


def take(witnesses: dict[int, Witness], report: dict[str, Any]) -> None:
    """Add what the bots report of themselves."""
    for row in report["bots"]:
        witness = witnesses.setdefault(row["player"], Witness())
        names = ("session", "entity", "joined_tick", "changed_identity")
        for name in (*names, "mismatches", "crc_checks", "resumes"):
            setattr(witness, name, row[name])
        for kind, shard, tick, values in row["told"]:
            witness.told[kind, shard, tick, tuple(values)] += 1


def judge(
    history: History, witnesses: dict[int, Witness], *, shards: int, upto: int | None = None
) -> Verdict:
    """Compare. With `upto`, the run is over: what happened up to that tick must have been told."""
    verdict = Verdict(wrong=list(history.wrong))
    _judge_entities(verdict, history, witnesses, shards)
    _judge_history(verdict, history)
    _judge_told(verdict, history, witnesses)
    if upto is not None:
        _judge_untold(verdict, history, witnesses, upto)
        verdict.check(
            holds=history.commands_given == history.commands_done,
            what=f"{history.commands_given} commands were given, {history.commands_done} done",
        )
        verdict.check(holds=not history.unread, what=f"{history.unread} bytes are no record")
        verdict.check(holds=not history.unposted, what="somebody left without an out")
    return verdict


def _judge_entities(
    verdict: Verdict, history: History, witnesses: dict[int, Witness], shards: int
) -> None:
    alive = history.alive
    verdict.add("entities_lost", history.lost(), "entities are nowhere")
    verdict.add("entities_duplicated", history.doubled(), "entities are there twice")
    for player, witness in witnesses.items():
        if not witness.entity:
            continue
        verdict.check(
            holds=alive[witness.entity] == 1,
            what=f"the diver of player {player} is there {alive[witness.entity]} times",
        )
        verdict.check(
            holds=not witness.changed_identity, what=f"player {player} came back as another"
        )
        verdict.check(
            holds=not witness.mismatches, what=f"player {player} was shown what is not so"
        )
    kinds = Counter(kind for kind, *_ in history.happened.elements())
    expected = shards * (game.FISH + 1) + len(witnesses) + kinds["Laid"] - kinds["Burst"]
    verdict.check(
        holds=alive.total() == expected,
        what=f"{alive.total()} entities are alive, and it should be {expected}",
    )


def _judge_history(verdict: Verdict, history: History) -> None:
    """Serial numbers: each once, none left out."""
    serials: dict[tuple[str, int], list[int]] = defaultdict(list)
    nonces: Counter[tuple[int, int]] = Counter()
    for (kind, _, _, values), count in history.happened.items():
        serials[kind, values[0]] += [values[1]] * count
        if kind == "Laid":
            nonces[values[0], values[2]] += count
    for (kind, owner), numbers in serials.items():
        seen = Counter(numbers)
        twice = [(kind, owner, number) for number, count in seen.items() if count > 1]
        verdict.add("durable_events_repeated", twice, "durable events happened twice")
        whole = set(serials["Laid", owner] if kind == "Burst" else range(1, max(numbers) + 1))
        missing = [] if kind == "Burst" else sorted(whole - seen.keys())
        verdict.add("durable_events_lost", missing, f"numbers left out by {kind} of {owner}")
        verdict.check(holds=seen.keys() <= whole, what=f"{kind} of {owner} that were never laid")
    verdict.add(
        "inputs_applied_twice",
        (nonce for nonce, count in nonces.items() if count > 1),
        "inputs were applied twice",
    )


def _judge_told(verdict: Verdict, history: History, witnesses: dict[int, Witness]) -> None:
    """What was told has happened, and was told once."""
    ticks = history.ticks
    gone = [
        (player, *event)
        for player, witness in witnesses.items()
        for event in witness.told
        if event[2] <= ticks[event[1]] and event not in history.happened
    ]
    verdict.add("durable_events_lost", gone, "players were told what is gone")
    twice = [
        (player, *event)
        for player, witness in witnesses.items()
        for event, count in witness.told.items()
        if count > 1
    ]
    verdict.add("durable_events_repeated", twice, "players were told twice")


def _judge_untold(
    verdict: Verdict, history: History, witnesses: dict[int, Witness], upto: int
) -> None:
    """What has happened was told to those whom it concerns."""
    untold = [
        (player, kind, shard, tick, values)
        for player, witness in witnesses.items()
        for kind, shard, tick, values in history.happened
        if (kind == "Tolled" or values[0] == player)
        and witness.joined_tick < tick <= upto
        and (kind, shard, tick, values) not in witness.told
    ]
    for kind in ("Laid", "Burst", "Tolled"):
        these = [event for event in untold if event[1] == kind]
        verdict.add("durable_events_lost", these, f"players were never told: {kind}")
