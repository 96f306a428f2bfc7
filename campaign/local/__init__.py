"""The embedded stack: real PostgreSQL, Redis, SMTP, web and worker on one machine.

`make run`, the tests and the benchmarks each start one. Nothing in production uses or imports it.
"""
