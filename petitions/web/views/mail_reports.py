"""Webhook for the mail provider's reports of bounces and complaints: one URL for any provider."""

import logging
from http import HTTPStatus
from typing import Any

from anymail.signals import tracking
from django.conf import settings
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from petitions.mail import bounces
from petitions.web.guards import signed_report

logger = logging.getLogger(__name__)

# Lazy imports: this code takes a tenth of a process's memory, and most sites do not use it.
_VIEWS = {
    "mailgun": "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    "postmark": "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
}


@signed_report
def report(request: HttpRequest) -> HttpResponse:
    """Receive a report if its signature is valid: 400 if not, 404 if no webhook is configured."""
    view = _VIEWS.get(settings.MAIL_PROVIDER)
    if view is None or not settings.MAIL_WEBHOOK_SECRET:
        # Without a secret anybody could have any mailbox suppressed.
        raise Http404
    try:
        answer: HttpResponse = import_string(view).as_view()(request)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # The body is parsed before its signature is checked, so it may be junk.
        logger.warning("a report of the mail provider cannot be read (%s)", type(error).__name__)
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    return answer


@receiver(tracking)
def _heed(event: Any, **_kwargs: Any) -> None:
    bounces.handle(event)
