"""The parts of a world that runs as many processes on an engine: nodes, gateways, all of it."""
