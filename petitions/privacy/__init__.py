"""Data protection: retention, rotation of sealing keys, and notice of erasure.

Front door: `retention.apply` (deletes what is past its retention period) and `reseal`
(re-encrypts under the newest key). Source: UK GDPR, Articles 5(1)(e) and 15 to 21.
"""
