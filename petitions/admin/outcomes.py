"""Human-readable delivery outcomes for organisers: the outbox stores only SMTP status codes."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_KNOWN: dict[str, str | Promise] = {
    "limit": _("its mailbox had enough mail for now"),
    "objected": _("the mailbox’s owner wants no mail about this"),
    "undeliverable": _("the address was reported as not existing; tried again after 30 days"),
    "bounced": _("it came back: there is no such mailbox"),
    "domain": _("waits: many mails to the same provider at once"),
    "CannotOpen": _("what was sealed cannot be opened: is a key missing?"),
    "refused": _("the provider refuses this address"),
    "ValueError": _("the message cannot be written for this address"),
    "1.1": _("the server refuses this address"),
    "1.10": _("the server refuses this address"),
    "2.1": _("the server refuses this address"),
    "2.2": _("the mailbox is full"),
    "3.1": _("the server had no room"),
    "4.5": _("the provider’s limit for a day is used up: it is tried again"),
    "7": _(
        "the provider wants no mail from our server: it is tried again. Ask your operator to look "
        "at SPF, DKIM, DMARC and block lists."
    ),
    "7.8": _("the server refuses our log-in: check SMTP_USER and SMTP_PASSWORD"),
    "421": _("the server was busy or shutting down"),
    "450": _("the mailbox was busy"),
    "451": _("the server asked to try later"),
    "452": _("the server had no room"),
    "530": _("the server wants a log-in: check SMTP_USER"),
    "535": _("the server refuses our log-in: check SMTP_USER and SMTP_PASSWORD"),
    "550": _("the server refuses this address"),
    "551": _("the address is elsewhere"),
    "552": _("the mailbox is full"),
    "553": _("the server does not understand the address"),
    "554": _("the server refuses the message"),
    "http-401": _("the provider refuses our key: check MAIL_API_KEY"),
    "http-429": _("the provider says that we are too quick"),
    "ConnectionRefusedErr": _("the mail server does not answer"),
    "SMTPServerDisconnect": _("the mail server hung up"),
    "TimeoutError": _("the mail server did not answer in time"),
    "gaierror": _("the mail server’s name is not known: check SMTP_HOST"),
}


def explained(code: str) -> str:
    """The code with its meaning, if known."""
    meaning = _meaning(code)
    return f"{code}: {meaning}" if meaning else code


def _meaning(code: str) -> str | Promise:
    """By the enhanced status code ("550 5.7.1"), its subject, then the basic code: as
    `mail.replies`.
    """
    basic, _space, enhanced = code.partition(" ")
    detail = enhanced.partition(".")[2]
    for known in (detail, detail.partition(".")[0], basic):
        if known and known in _KNOWN:
            return _KNOWN[known]
    if basic.isdecimal():
        return _("put off for now")
    return _("the provider’s answer") if code.startswith("http-") else ""
