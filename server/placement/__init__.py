"""Which node runs which shard: decided by one coordinator, told to all, done by the nodes."""
