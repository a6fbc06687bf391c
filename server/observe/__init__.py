"""What an operator sees: logs, tick statistics and the census of entities."""
