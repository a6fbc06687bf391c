"""Recordings: a world's run in one file, written while it runs, and stepped through again."""
