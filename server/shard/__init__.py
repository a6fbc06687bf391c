"""Shards: worlds on a schedule, replicated in frames and handing entities to one another."""
