"""Classification of SMTP replies: permanent or temporary, and for how much of the outbox.

Only a refusal of the address itself is final. Everything else is about the server, about us, or
about today, and a mail that was asked for must not be lost by it. The enhanced status code says
more than the basic one, so it decides first (RFC 3463, its registry RFC 5248, RFC 7372, RFC 7505;
basic codes: RFC 5321, RFC 7504). What is in no table is temporary.

Unlike these, Exchange Online says 5.1.10 where there is no such mailbox; Gmail says 5.4.5 for the
sender's daily limit and 4.7.28 and 5.7.26 where it doubts the sender; Outlook says 5.7.1, or no
enhanced code and S3150 or "SC-001", where it blocks the sending server.
"""

import re
import smtplib
from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """The scope of a refusal."""

    ADDRESS = "there is no such mailbox, or it takes no mail: final"
    MAIL = "this mail waits"
    DOMAIN = "we are not wanted at its domain: what goes there waits"
    SERVER = "the server takes no mail now: everything waits"


class Reply(NamedTuple):
    """The codes of an SMTP reply; its text, which may hold the address, is stored nowhere."""

    basic: int
    enhanced: str = ""

    def __str__(self) -> str:
        return f"{self.basic} {self.enhanced}".rstrip()


# By subject and detail of the enhanced code, then by subject alone.
_BY_ENHANCED = {
    # X.1 Addressing. 1.7 and 1.8 are about the sender's address; 1.10 see above, and null MX.
    "1.0": Verdict.ADDRESS,
    "1.1": Verdict.ADDRESS,
    "1.2": Verdict.ADDRESS,
    "1.3": Verdict.ADDRESS,
    "1.6": Verdict.ADDRESS,
    "1.10": Verdict.ADDRESS,
    "1.7": Verdict.DOMAIN,
    "1.8": Verdict.DOMAIN,
    # X.2 Mailbox: disabled. Full (2.2), or the rest of them, may pass.
    "2.1": Verdict.ADDRESS,
    # X.3 Mail system: full, or taking nothing. Elsewhere in X.3 it may be this mail.
    "3.1": Verdict.SERVER,
    "3.2": Verdict.SERVER,
    # X.4 Network: congestion, by which Gmail's relay means its daily limit.
    "4.5": Verdict.SERVER,
    # X.7 Policy: authentication and encryption fail for all mail, the rest is our reputation.
    "7.8": Verdict.SERVER,
    "7.9": Verdict.SERVER,
    "7.11": Verdict.SERVER,
    "7": Verdict.DOMAIN,
}


def _matching(verdict: Verdict) -> str:
    """A regular expression, for Python and PostgreSQL, of stored codes to which the table above
    gives a verdict.
    """
    ways = []
    for code in (code for code, of in _BY_ENHANCED.items() if of is verdict):
        others = "|".join(other for other in _BY_ENHANCED if other.startswith(f"{code}."))
        ways.append(code if "." in code else rf"(?!(?:{others})$){code}.\d+")
    return rf" [245][.](?:{'|'.join(ways).replace('.', '[.]')})$"


# Stored codes with which a provider refuses all mail from us.
UNWANTED = _matching(Verdict.DOMAIN)
_BY_BASIC = {
    421: Verdict.SERVER,  # it closes the connection
    454: Verdict.SERVER,  # TLS or authentication is unavailable
    530: Verdict.SERVER,  # authentication required
    534: Verdict.SERVER,
    535: Verdict.SERVER,
    538: Verdict.SERVER,
    521: Verdict.ADDRESS,  # that host takes no mail
    550: Verdict.ADDRESS,
    551: Verdict.ADDRESS,
    553: Verdict.ADDRESS,
    556: Verdict.ADDRESS,  # that domain takes no mail
    # Not here, and so temporary: 552 to RCPT is to be read as 452; 500 to 504 come from a server
    # that is broken, and are about its commands; 554 says nothing about the mailbox.
}
# Wording of replies without an enhanced code: about our reputation, and about a full mailbox.
_ABOUT_US = re.compile(
    r"block ?list|black ?list|blocked|spamhaus|spamcop|reputation|S3150|\b(?:SC|DY|OU)-\d{3}"
    r"|rate limit|too many",
    re.IGNORECASE,
)
_FULL = re.compile(r"quota|full|storage|space", re.IGNORECASE)
_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_FINAL = 500


def read(basic: int, words: bytes | str) -> Reply:
    """Parse the codes of a reply. An enhanced one stands at the beginning of its text."""
    found = _ENHANCED.match(_text(words))
    return Reply(basic, ".".join(found.groups()) if found else "")


def judge(basic: int, words: bytes | str, *, is_to_rcpt: bool) -> Verdict:
    """Classify a reply to RCPT, or else to the message itself.

    A basic code says something about an address only in reply to RCPT.
    """
    text = _text(words)
    verdict = _by_enhanced(read(basic, text)) or _by_words(basic, text, is_to_rcpt=is_to_rcpt)
    return Verdict.MAIL if verdict is Verdict.ADDRESS and basic < _FINAL else verdict


def _text(words: bytes | str) -> str:
    return words.decode("ascii", "replace") if isinstance(words, bytes) else words


def _by_words(basic: int, text: str, *, is_to_rcpt: bool) -> Verdict:
    if _ABOUT_US.search(text):
        return Verdict.DOMAIN
    verdict = _BY_BASIC.get(basic, Verdict.MAIL)
    is_kept = is_to_rcpt and not _FULL.search(text)
    return Verdict.MAIL if verdict is Verdict.ADDRESS and not is_kept else verdict


def _by_enhanced(reply: Reply) -> Verdict | None:
    """None without an enhanced code, or with one that leaves it to the basic one (X.0.0)."""
    if not reply.enhanced:
        return None
    status, _, code = reply.enhanced.partition(".")
    subject = code.partition(".")[0]
    if subject == "0":
        return None
    verdict = _BY_ENHANCED.get(code) or _BY_ENHANCED.get(subject, Verdict.MAIL)
    return Verdict.MAIL if verdict is Verdict.ADDRESS and status != "5" else verdict


def verdict_of(error: smtplib.SMTPException) -> Verdict:
    """Classify a refusal by the SMTP command that it answers.

    Connection, authentication and MAIL FROM come before any address: what fails there is ours.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = [judge(*reply, is_to_rcpt=True) for reply in error.recipients.values()]
        return replies[0] if replies else Verdict.MAIL
    if isinstance(error, smtplib.SMTPDataError):
        return judge(error.smtp_code, error.smtp_error, is_to_rcpt=False)
    return Verdict.SERVER


def reply_of(error: smtplib.SMTPException) -> Reply | None:
    """The codes of a refusal; None where the server said nothing."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next((read(*reply) for reply in error.recipients.values()), None)
    if isinstance(error, smtplib.SMTPResponseException):
        return read(error.smtp_code, error.smtp_error)
    return None


def is_final(report: str) -> bool:
    """Whether the reply that a provider's report quotes ("smtp; 550 5.1.1 ...") is permanent.

    True for a report without codes, which says nothing against the provider's own verdict.
    """
    codes = re.search(r"\b([245]\d\d)[ -](.*)", report, re.DOTALL)
    if codes is None:
        return True
    return judge(int(codes[1]), codes[2], is_to_rcpt=True) is Verdict.ADDRESS
