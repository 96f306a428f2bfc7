"""Email authentication of the sender's domain: what DNS must contain so that mail is accepted.

Front door: `check`. SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) each have a module that
asks DNS through `lookup`, reports what is wrong with existing records, and suggests the record to
add. Knows nothing of the outbox or of recipients.
"""
