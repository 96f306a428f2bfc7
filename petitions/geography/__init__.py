"""Constituencies and postcodes: import of published files, look-up, and use for signatures.

Front door: `known.place` (a TTL cache of places), `postcodes` and `constituencies` (import), and
`placing` (signatures from before an import get their place). Knows nothing of mail, nor of how a
signature is submitted, confirmed or decided about.
"""
