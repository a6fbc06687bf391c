"""The trio services: shards, gateways, the bus between them, and the command line."""
