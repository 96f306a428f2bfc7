"""Classification of SMTP replies: permanent or temporary, and for how much of the outbox.

Only a refusal of the address itself is final. Any other may be caused by the server, by us or by
the moment, and must not lose a mail that was asked for. The enhanced status code is more specific
than the basic one, so it decides first (RFC 3463, its registry RFC 5248, RFC 7372, RFC 7505; basic
codes: RFC 5321, RFC 7504). Codes that are in no table are temporary.

Some providers deviate. Exchange Online says 5.1.10 for a mailbox that does not exist. Gmail says
5.4.5 for the sender's daily limit, and 4.7.28 and 5.7.26 if it distrusts the sender. Outlook says
5.7.1, or no enhanced code and S3150 or "SC-001", if it blocks the sending server.
"""

import re
import smtplib
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import NamedTuple


class Verdict(Enum):
    """The scope of a refusal."""

    ADDRESS = "there is no such mailbox, or it takes no mail: final"
    MAIL = "this mail waits"
    DOMAIN = "we are not wanted at its domain: what goes there waits"
    SERVER = "the server takes no mail now: everything waits"
    CONNECTION = "the connection broke: this mail waits, and the others get a new one"


class Reply(NamedTuple):
    """The codes of an SMTP reply. Its text may hold the address, so it is stored nowhere."""

    basic: int
    enhanced: str = ""

    def __str__(self) -> str:
        return f"{self.basic} {self.enhanced}".rstrip()


# Looked up by subject and detail of the enhanced code, then by subject alone.
_BY_ENHANCED = {
    # X.1 Addressing. 1.7 and 1.8 are about the sender's address. 1.10: see above, also null MX.
    "1.0": Verdict.ADDRESS,
    "1.1": Verdict.ADDRESS,
    "1.2": Verdict.ADDRESS,
    "1.3": Verdict.ADDRESS,
    "1.6": Verdict.ADDRESS,
    "1.10": Verdict.ADDRESS,
    "1.7": Verdict.DOMAIN,
    "1.8": Verdict.DOMAIN,
    # X.2 Mailbox: disabled. A full one (2.2), and the rest of X.2, may pass.
    "2.1": Verdict.ADDRESS,
    # X.3 Mail system: full, or taking no mail. The rest of X.3 may be about this mail alone.
    "3.1": Verdict.SERVER,
    "3.2": Verdict.SERVER,
    # X.4 Network: congestion. Gmail's relay uses it for its daily limit.
    "4.5": Verdict.SERVER,
    # X.7 Policy: wrong credentials make all mail fail, the rest is our reputation. 7.9 and 7.11 are
    # about the login method if they answer AUTH. Otherwise Yahoo says 5.7.9 for its policy.
    "7.8": Verdict.SERVER,
    "7": Verdict.DOMAIN,
}


def _matching(verdict: Verdict) -> str:
    """Return a regular expression, for Python and PostgreSQL, that matches the stored codes to
    which the table above gives a verdict.
    """
    ways = []
    for code in (code for code, of in _BY_ENHANCED.items() if of is verdict):
        others = "|".join(other for other in _BY_ENHANCED if other.startswith(f"{code}."))
        ways.append(code if "." in code else rf"(?!(?:{others})$){code}.\d+")
    return rf" [245][.](?:{'|'.join(ways).replace('.', '[.]')})$"


# Stored codes with which a provider refuses all mail from us.
UNWANTED = _matching(Verdict.DOMAIN)
# Stored codes of refusals that may be about us or about the address: they have no specific enhanced
# code, and RFC 5321 uses 550 both for a missing mailbox and for a server's policy.
UNCLEAR = r"^55[013]( 5[.]0[.]\d+)?$"
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
    # Left out, and so temporary: 552 to RCPT is to be read as 452; 500 to 504 come from a broken
    # server and are about its commands; 554 says nothing about the mailbox.
}
# Patterns in the text of replies: about our reputation, and about a full mailbox.
_ABOUT_US = re.compile(
    r"block ?list|black ?list|blocked|spamhaus|spamcop|reputation|S3150|\b(?:SC|DY|OU)-\d{3}"
    r"|rate limit|too many|\bpolic(?:y|ies)\b|\bSPF\b|\bDKIM\b|\bDMARC\b|reverse DNS|\bPTR\b"
    r"|DNS reverse|sender verif|cannot find your hostname|\bRBL|DNSBL|UCEPROTECT|barracuda"
    r"|junk ?mail|unsolicited|\blisted (?:at|in|on|by)\b|sender (?:address )?rejected|\bAUP#",
    re.IGNORECASE,
)
_FULL = re.compile(r"quota|full|storage|space", re.IGNORECASE)
OK = 250
_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_FINAL = 500
_BEFORE_ANY_ADDRESS = (
    smtplib.SMTPSenderRefused,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
    smtplib.SMTPAuthenticationError,
)
# A provider's HTTP status for a wrong key, a closed account, or its rate limit.
_OUR_FAULT = frozenset({401, 402, 403, 429})


def read(basic: int, words: bytes | str) -> Reply:
    """Parse the codes of a reply. An enhanced code stands at the beginning of its text.

    If the text is about our reputation and the enhanced code is missing or unspecific (X.Y.0), the
    reply counts as X.7.0 (other security).
    """
    text = words.decode("ascii", "replace") if isinstance(words, bytes) else words
    found = _ENHANCED.match(text)
    if found and (found[3] != "0" or not _ABOUT_US.search(text)):
        return Reply(basic, ".".join(found.groups()))
    return Reply(basic, f"{str(basic)[0]}.7.0" if _ABOUT_US.search(text) else "")


def judge(basic: int, words: bytes | str, *, is_to_rcpt: bool) -> Verdict:
    """Classify a reply to RCPT, or else to the message itself.

    A basic code is about the address only in reply to RCPT, and only if the text does not say that
    the mailbox is full. An enhanced code X.0.0 says nothing.
    """
    status, _dot, code = read(basic, words).enhanced.partition(".")
    subject = code.partition(".")[0]
    if subject in ("", "0"):
        verdict = _BY_BASIC.get(basic, Verdict.MAIL)
        is_about_address = is_to_rcpt and not _FULL.search(str(words))
    else:
        verdict = _BY_ENHANCED.get(code) or _BY_ENHANCED.get(subject, Verdict.MAIL)
        is_about_address = status == "5"
    if verdict is Verdict.ADDRESS and not (is_about_address and basic >= _FINAL):
        return Verdict.MAIL
    return verdict


def verdict_of(error: Exception) -> Verdict:
    """Classify an exception raised by sending, by the SMTP command that was refused.

    Connection, authentication and MAIL FROM come before any address, so their failures are ours. Of
    a provider's API only a refusal of the recipient is final.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        verdicts = [judge(*reply, is_to_rcpt=True) for reply in error.recipients.values()]
        return verdicts[0] if verdicts else Verdict.MAIL
    if isinstance(error, smtplib.SMTPDataError):
        return judge(error.smtp_code, error.smtp_error, is_to_rcpt=False)
    if isinstance(error, _BEFORE_ANY_ADDRESS):
        return Verdict.SERVER
    if isinstance(error, provider().AnymailRecipientsRefused):
        return Verdict.ADDRESS
    if isinstance(error, provider().AnymailError):
        is_ours = error.status_code is None or error.status_code in _OUR_FAULT
        return Verdict.SERVER if is_ours else Verdict.MAIL
    return Verdict.CONNECTION


def code_of(error: Exception) -> str:
    """Return what may be stored of a failure: SMTP or HTTP codes, or the exception's class name."""
    if isinstance(error, smtplib.SMTPRecipientsRefused) and error.recipients:
        return str(read(*next(iter(error.recipients.values()))))
    if isinstance(error, smtplib.SMTPResponseException):
        return str(read(error.smtp_code, error.smtp_error))
    if isinstance(error, provider().AnymailRecipientsRefused):
        return "refused"
    if isinstance(error, provider().AnymailError) and error.status_code:
        return f"http-{error.status_code}"
    return type(error).__name__[:20]


def provider() -> ModuleType:
    """Return `anymail.exceptions`, imported lazily: the HTTP library that comes with it takes 5 MB,
    and most sites send by SMTP.
    """
    return import_module("anymail.exceptions")


def read_report(report: str) -> tuple[str, Verdict]:
    """Return code and verdict of the reply that a provider's report quotes ("smtp; 550 5.1.1 ...").

    A report without codes does not contradict the provider's own verdict: "" and `ADDRESS`.
    """
    codes = re.search(r"\b([245]\d\d)[ -](.*)", report, re.DOTALL)
    if codes is None:
        return "", Verdict.ADDRESS
    basic, words = int(codes[1]), codes[2]
    return str(read(basic, words)), judge(basic, words, is_to_rcpt=True)
