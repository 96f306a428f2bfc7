"""Data protection: retention, key rotation, notice of erasure, enquiries and complaints.

Front door: `retention.apply` (the retention periods), `reseal` (re-encrypt under the
newest key) and `enquiries`. Source: UK GDPR Articles 5(1)(e) and 15 to 21.
"""
