"""Simulate clusters under faults: `python -m tests.simulation --help`."""

import argparse
import sys

from tests.simulation import runs
from tests.simulation.hunt import hunt
from tests.simulation.mutants import MUTANTS

__all__ = ["main"]


def main() -> int:
    """Run what the command line asks for; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, help="run this seed and tell its story")
    what.add_argument("--mutants", action="store_true", help="look for every planted bug")
    what.add_argument("--seeds", type=int, help="run so many seeds and sum them up")
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds (1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many run at once (2)")
    parser.add_argument("--mutant", choices=list(MUTANTS), help="plant this bug (with --seed)")
    parser.add_argument(
        "--recorded",
        action="store_true",
        help="with --mutants: only by the seeds known to find them",
    )
    parser.add_argument("--calm", action="store_true", help="break nothing")
    args = parser.parse_args()
    if args.seed is not None:
        return runs.run_one(args.seed, calm=args.calm, mutant=args.mutant)
    if args.mutants:
        return hunt(jobs=args.jobs, recorded=args.recorded)
    return runs.run_many(range(args.first, args.first + args.seeds), jobs=args.jobs)


if __name__ == "__main__":
    sys.exit(main())
