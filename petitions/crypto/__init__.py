"""Keys: sealing, blind indexes, and the signed tokens of links and pages.

Front door: `vault` (AES-GCM sealing and keyed blind indexes) and `tokens` (what a link carries).
Knows no table and no petition: callers name the purpose, the row and the words.
"""
