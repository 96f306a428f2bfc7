"""Mail: the transactional outbox, delivery, bounces and suppression; news; messages to us.

Front door: `outbox` (deliver what is due), `messages` (what each kind says), `suppression` (who
gets none), `reminders`, `news`, `enquiries` (what people write to us, with our answers), `team`
(mail to staff, at once and outside the outbox), `sender` (DNS records). Knows nothing of how a
signature is submitted, confirmed or decided about.
"""
