"""What the public may see of a petition, and the preconditions of opening it.

Front door: `visibility` (which text to show), `opening` (the checks before it opens), `warm_cache`
(TTL cache of the same, for the signing path), `organisation` and `timeline`. Knows nothing of
signatures but their number.
"""
