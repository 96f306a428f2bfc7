"""Email authentication of the sender's domain: what DNS must say so that mail is taken.

Front door: `check`. SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 7489) each have a file, which
asks by `lookup`, says what is wrong with the records that exist, and writes the record to add.
Knows nothing of the outbox, nor of anybody who gets mail.
"""
