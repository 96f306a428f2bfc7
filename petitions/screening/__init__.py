"""Abuse prevention at signing: block and allow rules, rate limits, the challenge, fraud signals.

Front door: `screen` (rules, rate limits and fraud signals together), `challenge` (required while
many sign; and single-use nonces), `rules` (which moderators use to block, hold or allow),
`rate_limits` and `fraud_signals`. Knows nothing of later states of an attempt, nor of views.
"""
