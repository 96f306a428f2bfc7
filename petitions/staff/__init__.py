"""Staff accounts: roles and permissions, the audit log, rate limits of log-ins.

Front door: `roles` (the three groups and their permissions), `audit` (the append-only record of
staff's acts), `refusal` (the error of an act that is not possible), `people` (accounts),
`second_factor`, `logins` (limits before a password is hashed). Knows nothing of what staff decide
about petitions and signatures, nor of the admin's screens.
"""
