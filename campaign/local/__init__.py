"""The embedded stack: real PostgreSQL, Redis, SMTP, web and worker on one machine.

`make run` starts it for trying the site, the tests and benchmarks start it for
themselves. Nothing here is used in production, and nothing in production imports it.
"""
