"""What the public may see of a petition, and what must be there before it opens.

Front door: `visibility` (which text to show), `opening` (the checks before it opens), `warm_cache`
(the same, a few seconds old, for the signing path), `organisation` and `timeline`.
Knows nothing of signatures but their number.
"""
