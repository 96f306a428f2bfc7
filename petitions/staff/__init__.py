"""The team: what each did, and how they log in.

Front door: `audit` (the append-only record of staff's acts), `logins` (limits before a password is
hashed) and `password_hashing`. Knows nothing of petitions and signatures.
"""
