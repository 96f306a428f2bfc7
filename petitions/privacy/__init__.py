"""Storage limitation and the rights of signers: retention, key rotation, enquiries and complaints.

Front door: `retention.keep_no_longer` (what is deleted by itself, and when), `reseal` (seal anew
under the newest key) and `enquiries`. Source: UK GDPR Articles 5(1)(e) and 15 to 21.
"""
