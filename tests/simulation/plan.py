"""What one seed does: how large the cluster is, how long it runs, what breaks when."""

import attrs

from tests.simulation.atlas import plan_cuts
from tests.simulation.chance import Chance
from tests.simulation.faults import Fault, plan_faults
from tests.simulation.moves import plan_moves

__all__ = ["Plan"]


@attrs.frozen(kw_only=True)
class Plan:
    """One run. Times are in seconds of virtual time."""

    seed: int
    nodes: int
    gateways: int
    players: int
    fault_s: float
    quiet_s: float
    faults: tuple[Fault, ...]
    cuts: tuple[float, ...] = ()
    moves: tuple[float, ...] = ()

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """The plan of a seed."""
        chance = Chance(seed).of("plan")
        fault_s = chance.uniform(8.0, 12.0)
        return cls(
            seed=seed,
            nodes=chance.choice((2, 3, 3, 4)),
            gateways=2,
            players=chance.randint(3, 8),
            fault_s=fault_s,
            quiet_s=7.0,
            faults=plan_faults(chance, 1.0, fault_s),
            cuts=plan_cuts(seed, 1.5, fault_s),
            moves=plan_moves(seed, 1.5, fault_s),
        )
