"""Normalisation of e-mail addresses, names and postcodes, for deduplication; typo suggestions.

Front door: `email_addresses.canonical` (one form for all spellings of a mailbox), `names.folded`,
`residence` and `typed_text`. Pure functions over text: no table, no signature, no request.
"""
