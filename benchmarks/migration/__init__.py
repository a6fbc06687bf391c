"""Live migration: what those who watch a shard notice while it moves between two nodes."""
