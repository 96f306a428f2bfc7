"""Staff accounts: roles and permissions, the audit log, rate limits of log-ins.

Start with `roles` (the three groups and their permissions), `audit` (the append-only log of what
staff do), `refusal` (the exception for an act that is not possible), `people` (accounts),
`second_factor`, `sessions` (how they end) and `logins` (limits checked before a password is
hashed). The package knows nothing of decisions about petitions and signatures, nor of the admin's
screens.
"""
