"""The interest workload: many players, each of whom sees the few dozen entities around it.

`python -m benchmarks.interest --help` says how to run it; `rules` has the numbers that Shoal and
its peers share.
"""
