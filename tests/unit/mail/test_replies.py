"""Real replies of mail servers and large providers, and how much of the outbox they affect."""

import re
import smtplib
from itertools import product

import pytest

from petitions.mail import replies
from petitions.mail.replies import Verdict

ADDRESS, MAIL, DOMAIN, SERVER = Verdict.ADDRESS, Verdict.MAIL, Verdict.DOMAIN, Verdict.SERVER

TO_RCPT = [
    # About the address: final.
    (550, "5.1.1 The email account that you tried to reach does not exist. gsmtp", ADDRESS),
    (550, "5.1.1 <x@example.org>: Recipient address rejected: User unknown in table", ADDRESS),
    (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP lookup", ADDRESS),
    (556, "5.1.10 Recipient address has null MX", ADDRESS),
    (550, "5.2.1 The email account that you tried to reach is disabled. gsmtp", ADDRESS),
    (550, "5.1.2 <x@nowhere.example>: Domain not found", ADDRESS),
    (501, "5.1.3 Bad recipient address syntax", ADDRESS),
    (553, "5.1.3 The recipient address is not a valid RFC 5321 address. gsmtp", ADDRESS),
    (550, "No such user here", ADDRESS),
    (550, "Requested action not taken: mailbox unavailable", ADDRESS),
    (551, "User not local", ADDRESS),
    (553, "sorry, that domain isn't in my list of allowed rcpthosts", ADDRESS),
    (556, "Domain does not accept mail", ADDRESS),
    # About the mailbox today: this mail waits.
    (552, "5.2.2 The email account that you tried to reach is over quota. gsmtp", MAIL),
    (452, "4.2.2 The email account that you tried to reach is over quota. gsmtp", MAIL),
    (552, "Requested mail action aborted: exceeded storage allocation", MAIL),
    (550, "Mailbox is full / Blocks limit exceeded", MAIL),
    (550, "user over quota", MAIL),
    (450, "4.2.0 <x@example.org>: Recipient address rejected: Greylisted", MAIL),
    (450, "4.2.1 The user you are trying to contact is receiving mail at a rate that", MAIL),
    (450, "4.1.1 <x@example.org>: unverified address", MAIL),
    (451, "4.3.0 <x@example.org>: Temporary lookup failure", MAIL),
    (451, "Requested action aborted: local error in processing", MAIL),
    (452, "Too much mail data", MAIL),
    (450, "5.1.1 two codes that contradict each other", MAIL),
    (550, "5.4.1 Recipient address rejected: Access denied. [AM0EUR02]", MAIL),
    (552, "5.3.4 Message size exceeds fixed limit", MAIL),
    # A broken server says nothing about the address.
    (500, "Error: (OSError) [Errno 28] No space left on device", MAIL),
    (501, "Syntax error in parameters or arguments", MAIL),
    (502, "Command not implemented", MAIL),
    (503, "Bad sequence of commands", MAIL),
    (504, "Command parameter not implemented", MAIL),
    (523, "Encryption needed", MAIL),
    (554, "Transaction failed", MAIL),
    (555, "5.5.2 Syntax error, goodbye. gsmtp", MAIL),
    (599, "a code that nobody has written down", MAIL),
    # About us, at that provider.
    (550, "5.7.1 messages were not sent: the network is on our block list (S3150).", DOMAIN),
    (550, "SC-001 (COL004-MC1F) Unfortunately, messages from 192.0.2.1 weren't sent.", DOMAIN),
    (554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus", DOMAIN),
    (550, "Blocked - see https://www.spamcop.net/bl.shtml?192.0.2.1", DOMAIN),
    (550, "5.7.26 This mail has been blocked because the sender is unauthenticated. gsmtp", DOMAIN),
    (550, "5.7.509 Access denied, sending domain example.org does not pass DMARC", DOMAIN),
    (421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail. gsmtp", DOMAIN),
    (421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", DOMAIN),
    (553, "5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred", DOMAIN),
    (554, "5.7.1 <x@example.org>: Relay access denied", DOMAIN),
    (550, "5.1.8 <post@example.org>: Sender address rejected: Domain not found", DOMAIN),
    (523, "5.7.10 Encryption needed", DOMAIN),
    (554, "5.7.9 Message not accepted for policy reasons. See https://postmaster.example", DOMAIN),
    (550, "Requested action not taken: mailbox unavailable. Reject due to policy.", DOMAIN),
    (554, "Transaction failed\nReject due to policy restrictions.", DOMAIN),
    (550, "SPF check failed", DOMAIN),
    (550, "Message rejected by the DMARC policy of its sender", DOMAIN),
    (550, "no reverse DNS record for 192.0.2.1", DOMAIN),
    (550, "Client host rejected: cannot find your hostname, [192.0.2.1]", DOMAIN),
    (550, "Sender verify failed", DOMAIN),
    (550, "5.1.0 <post@example.org> sender rejected. AUP#CNCT-001", DOMAIN),
    (550, "5.2.0 Host 192.0.2.1 is listed in a DNSBL", DOMAIN),
    (550, "Rejected: 192.0.2.1 listed at psbl.example", DOMAIN),
    (550, "JunkMail rejected - mail.example.org is in an RBL", DOMAIN),
    (554, "refused: see http://www.barracudacentral.example/reputation", DOMAIN),
    (450, "4.1.0 Sender address rejected, try again later", DOMAIN),
    (550, "5.1.0 Address rejected", ADDRESS),
    # The server takes no mail now.
    (421, "Service not available, closing transmission channel", SERVER),
    (421, "4.3.2 System not accepting network messages", SERVER),
    (452, "4.3.1 Insufficient system storage", SERVER),
    (550, "5.4.5 Daily user sending limit exceeded. gsmtp", SERVER),
    (530, "Authentication required", SERVER),
    (535, "5.7.8 Username and Password not accepted", SERVER),
]  # fmt: skip
TO_THE_MESSAGE = [
    (550, "5.1.1 no such user", ADDRESS),
    (550, "5.2.1 disabled", ADDRESS),
    (550, "No such user here", MAIL),
    (554, "Message rejected as spam by content filtering", MAIL),
    (554, "5.6.0 Malformed", MAIL),
    (500, "Error: (OSError) [Errno 28] No space left on device", MAIL),
    (552, "Message exceeds fixed size", MAIL),
    (452, "4.3.1 Insufficient system storage", SERVER),
    (550, "5.7.1 Message contains a link on a block list", DOMAIN),
    (554, "5.7.9 Message not accepted for policy reasons. See https://postmaster.example", DOMAIN),
    (550, "5.4.5 Daily user sending limit exceeded", SERVER),
]


@pytest.mark.parametrize(("basic", "words", "verdict"), TO_RCPT)
def test_a_reply_to_rcpt_is_final_only_if_it_is_about_the_address(
    basic: int, words: str, verdict: Verdict
) -> None:
    error = smtplib.SMTPRecipientsRefused({"x@example.org": (basic, words.encode())})
    assert replies.verdict_of(error) is verdict


@pytest.mark.parametrize(("basic", "words", "verdict"), TO_THE_MESSAGE)
def test_a_reply_to_the_message_is_final_only_by_its_enhanced_code(
    basic: int, words: str, verdict: Verdict
) -> None:
    assert replies.verdict_of(smtplib.SMTPDataError(basic, words.encode())) is verdict


@pytest.mark.parametrize("code", [421, 450, 451, 452, 500, 501, 503, 530, 535, 550, 552, 554, 599])
def test_smtp_errors_before_rcpt_are_about_the_server(code: int) -> None:
    for error in (
        smtplib.SMTPSenderRefused(code, b"5.1.1 no such user", "post@example.org"),
        smtplib.SMTPConnectError(code, "5.1.1 no such user"),
        smtplib.SMTPHeloError(code, b"5.1.1 no such user"),
        smtplib.SMTPAuthenticationError(code, b"5.1.1 no such user"),
    ):
        assert replies.verdict_of(error) is SERVER


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (b"5.1.1 <amina@example.org>: no", "550 5.1.1"),
        (b"amina@example.org 5.1.1", "550"),
        (b"5.1.1.9 an address of a network", "550"),
        (b"\xff\xfe", "550"),
        # About us, so that staff are not told that the address is refused.
        (b"SC-001 (COL004) Unfortunately, messages from 192.0.2.1 weren't sent.", "550 5.7.0"),
        (b"The network is on our block list (S3150).", "550 5.7.0"),
    ],
)
def test_only_the_codes_of_an_smtp_reply_are_kept(words: bytes, codes: str) -> None:
    error = smtplib.SMTPRecipientsRefused({"amina@example.org": (550, words)})
    assert replies.code_of(error) == codes


@pytest.mark.parametrize(
    ("report", "final"),
    [
        ("smtp;550 5.1.1 The email account that you tried to reach does not exist", True),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", True),
        ("no such mailbox", True),
        ("", True),
        ("smtp;550 5.7.1 part of their network is on our block list (S3150)", False),
        ("smtp; 552-5.2.2 The email account that you tried to reach is over quota", False),
        ("550-5.7.26 This mail is unauthenticated", False),
        ("421 4.7.0 try again later", False),
    ],
)
def test_a_bounce_report_is_final_only_if_its_quoted_reply_is(report: str, final: bool) -> None:
    _codes, verdict = replies.read_report(report)
    assert (verdict is ADDRESS) is final


def test_the_unwanted_regex_matches_exactly_the_codes_judged_as_domain() -> None:
    for status, subject, detail in product("45", range(9), range(30)):
        code = f"{status}.{subject}.{detail}"
        is_unwanted = re.search(replies.UNWANTED, f"{status}50 {code}") is not None
        verdict = replies.judge(int(f"{status}50"), code, is_to_rcpt=False)
        assert is_unwanted == (verdict is DOMAIN), code
