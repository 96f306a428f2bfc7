"""Plumbing that knows nothing of petitions: TTL cache, locks, leases, Redis, client networks.

Front door: `ttl_cache`, `advisory_locks`, `jobs` (leases of periodic work), `prepared`,
`redis` and `client_network` (whom a request comes from). Imports nothing else of this app.
"""
