"""Data protection: retention, key rotation and notice of erasure.

Front door: `retention.apply` (the retention periods) and `reseal` (re-encrypt under the
newest key). Source: UK GDPR Articles 5(1)(e) and 15 to 21.
"""
