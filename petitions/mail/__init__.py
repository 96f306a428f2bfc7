"""Mail: the transactional outbox, message composition, delivery, bounces and suppression; and what
people write to us, with our answers.
"""
