"""Infrastructure that knows nothing of petitions: cache, locks, leases, Redis, client addresses.

Front door: `ttl_cache`, `locks` (advisory locks, and leases of periodic work), `sweeps` (their
schedule), `redis` and `client_network` (the client's address and network).
"""
