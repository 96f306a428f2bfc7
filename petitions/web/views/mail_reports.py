"""Where the mail provider reports what came back: one address, whichever provider it is."""

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

# By name, for reading reports takes a tenth of a process's memory, and most sites have none.
_VIEWS = {
    "mailgun": "anymail.webhooks.mailgun.MailgunTrackingWebhookView",
    "postmark": "anymail.webhooks.postmark.PostmarkTrackingWebhookView",
}


@signed_report
def report(request: HttpRequest) -> HttpResponse:
    """Take a report, if it is signed: 400 if it is not, 404 where none are expected."""
    view = _VIEWS.get(settings.MAIL_PROVIDER)
    if view is None or not settings.MAIL_WEBHOOK_SECRET:
        # Without a secret anybody could have anybody's mail stopped.
        raise Http404
    try:
        answer: HttpResponse = import_string(view).as_view()(request)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # Before it is known to be signed, anybody's junk is read.
        logger.warning("a report of the mail provider cannot be read (%s)", type(error).__name__)
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    return answer


@receiver(tracking)
def _heed(event: Any, **_kwargs: Any) -> None:
    bounces.heed(event)
