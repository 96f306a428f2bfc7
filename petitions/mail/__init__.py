"""Mail: the transactional outbox, delivery, bounces and suppression; news; enquiries; staff mail.

Front door: `outbox` (sends due mail), `messages` (the content of each kind), `suppression` (who
must not be mailed), `reminders`, `news`, `enquiries` (messages from the public and our answers),
`team` (mail to staff, sent at once and outside the outbox), `sender` (DNS records). Knows nothing
of how signatures are submitted, confirmed or moderated.
"""
