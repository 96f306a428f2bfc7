"""Plumbing that knows nothing of petitions: the TTL cache, advisory locks, prepared statements.

Front door: `ttl_cache`, `advisory_locks`, `prepared`. Imports nothing else of this app.
"""
