"""The person behind a signature: sealed, found again, erased.

Front door: `sealing` (seal an attempt, open a signer, work out the blind indexes), `erasing` (the
only place that deletes a signer) and `consent` (the wording that signers agree to, by version).
Knows nothing of states, counts or mail that is still to go out.
"""
