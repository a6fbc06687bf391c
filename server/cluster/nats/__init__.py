"""The seam on NATS with JetStream: bus, directory and journal of many processes.

`engine.open_engine` gives the three. Each module has one purpose; `connection` alone knows nats-py
and asyncio. What is stored where, and why it is safe, is told in `names`, `records`, `leases` and
`checkpoints`.
"""
