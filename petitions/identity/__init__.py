"""Deduplication: normal forms of e-mail addresses (with aliases), names, postcodes; typos.

Front door: `email_addresses.canonical` (one form for all spellings of a mailbox), `names.folded`
`residence` and `typed_text`. Pure functions over text: no table, no signature, no request.
"""
