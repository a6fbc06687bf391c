"""The embedded journal: records and checkpoints of one process in a folder."""
