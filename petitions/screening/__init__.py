"""Abuse prevention at signing: block and allow rules, rate limits, the challenge, fraud signals.

Front door: `screen` (rules, rate limits and signals about one attempt, together), `challenge`
(asked for while many sign; and tokens that work once), `rules` (what moderators block, hold or
allow), `rate_limits` and `fraud_signals`. Knows nothing of what becomes of an attempt, nor of
views.
"""
