"""Django's SMTP backend, with a fast path for letters that are serialised already."""

from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends import smtp

from petitions.mail.letters import Letter


class EmailBackend(smtp.EmailBackend):
    """Sends the bytes of letters that have them; serialises every other message as Django does."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Return how many were sent. Raises what `smtplib` raises: it is never silent."""
        ready = [(m.to[0], m.raw) for m in email_messages if isinstance(m, Letter) and m.raw]
        if len(ready) < len(email_messages):
            return super().send_messages(email_messages) or 0
        self.open()
        assert self.connection
        for address, raw in ready:
            self.connection.sendmail(settings.DEFAULT_FROM_EMAIL, [address], raw)
        return len(ready)
