"""Abuse prevention at signing: block and allow rules, rate limits, proof of work, fraud signals.

Front door: `screen` (rules, rate limits and signals about one attempt, together), `challenge`
(proof of work, and tokens that work once), `rules` (what moderators block, hold or allow),
`rate_limits` and `fraud_signals`. Knows nothing of what becomes of an attempt, nor of views.
"""
