"""The signer's personal data: sealing, blind indexes, consent and erasure.

Front door: `sealing` (seal an attempt, open a signer, work out the blind indexes), `erasing` (the
only place that deletes a signer) and `consent` (the wording that signers agree to, by version).
Knows nothing of states, counts or mail that is still to go out.
"""
