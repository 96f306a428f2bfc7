"""Cryptography: sealing (AES-GCM), blind indexes, and signed tokens of links and pages.

Front door: `vault` (authenticated encryption, keyed indexes) and `tokens` (payloads of links).
Knows no table and no petition: callers pass the purpose, the row's id and the values.
"""
