"""Two gateways behind a load balancer, as `deploy/` configures it: one is drained, one is killed,
and everybody plays on.
"""
