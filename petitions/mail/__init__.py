"""Mail: the outbox, what is written, and how it gets there."""
