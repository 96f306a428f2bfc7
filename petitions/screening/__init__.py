"""Abuse prevention at signing: block and allow rules, rate limits, proof of work, fraud signals."""
