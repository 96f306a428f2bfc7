"""The signer's personal data: sealing, blind indexes, consent and erasure.

Front door: `sealing` (seal an attempt, unseal a signer, compute the blind indexes), `erasing` (the
only place that deletes a signer) and `consent` (the wording that signers agree to, by version).
Knows nothing of states, counts or outgoing mail.
"""
