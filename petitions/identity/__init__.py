"""Who is the same person: e-mail addresses, providers' alias rules, typing slips, names, homes.

Front door: `email_addresses.canonical` (one form for all spellings of a mailbox), `names.folded`
and `residence`. Pure functions over text: no table, no signature, no request.
"""
