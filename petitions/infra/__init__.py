"""Infrastructure that knows nothing of petitions: cache, locks, leases, Redis, client addresses.

Front door: `ttl_cache`, `advisory_locks`, `leases` (of periodic work), `prepared` (statements),
`redis` and `client_network` (whom a request comes from). Imports nothing else of this app.
"""
