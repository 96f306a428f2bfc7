"""Mail: the transactional outbox, message composition, delivery, bounces and suppression."""
