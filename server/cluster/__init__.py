"""The cluster's seam: bus, directory and journal, and their in-memory implementations."""
