"""Infrastructure that knows nothing of petitions: cache, locks, leases, Redis, client addresses.

Front door: `ttl_cache`, `locks` (advisory ones, and leases of periodic work), `sweeps` (their
schedule), `redis` and `client_network` (whom a request comes from).
"""
