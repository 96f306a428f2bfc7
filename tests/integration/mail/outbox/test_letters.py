"""Content and bytes of mails: the same for everybody, and safe from injection by typed text."""

import re
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives

from petitions.mail import letters, messages, outbox
from petitions.mail.letters import Letter
from petitions.models import Mail, Organisation, Petition
from petitions.publishing import organisation
from petitions.signers import sealing
from tests.people import AMINA, BASHIR, CARYS, DAVID, sign, sign_and_confirm

# News and answers have their own texts, and trials have the texts of the other kinds.
OWN_TEXTS = {Mail.Kind.NEWS, Mail.Kind.ANSWER, Mail.Kind.TRIAL}
ALIKE = [kind for kind in Mail.Kind.values if kind not in OWN_TEXTS]
WITH_BUTTON = [kind for kind in ALIKE if kind != Mail.Kind.ADDRESS]
INJECTION = "x\r\nBcc: victim@example.net\r\n\r\nBuy@example.org"


@pytest.mark.parametrize(
    ("attempt", "subject"),
    [
        (AMINA, "Please confirm your email address"),
        (BASHIR, "يرجى تأكيد عنوان بريدك الإلكتروني"),
        (CARYS, "Cadarnhewch eich cyfeiriad e-bost"),
    ],
)
def test_the_confirmation_mail_is_in_the_signers_language_and_names_no_petition(
    petition: Petition, attempt: sealing.Attempt, subject: str
) -> None:
    sign(petition, attempt)
    outbox.deliver()

    message = sent.outbox[0]
    assert isinstance(message, EmailMultiAlternatives)
    whole = message.subject + message.from_email + str(message.body) + str(message.alternatives[0])
    assert message.subject == subject
    for forbidden in (
        "Protect", "احموا", "Diogelwch", "Idlib", "إدلب", "Syria", "سوريا", "Amina", "بشير",
        "Carys", "petition", "عريضة", "deiseb", "sign", "توقيع", "llofnod",
    ):  # fmt: skip
        assert forbidden not in whole, forbidden


def test_new_and_repeated_signings_get_mails_of_equal_subject_headers_and_length(
    petition: Petition,
) -> None:
    sign_and_confirm(petition, AMINA)
    sign(petition, AMINA)
    sign(petition, DAVID)
    outbox.deliver()

    seen = [message.message() for message in sent.outbox]
    assert len(seen) == 3
    assert len({tuple(sorted(set(message.keys()))) for message in seen}) == 1
    assert len({message["Subject"] for message in seen}) == 1
    assert len({len(message.body) for message in sent.outbox}) == 1


def test_composing_a_mail_again_gives_the_same_message_id_and_date(petition: Petition) -> None:
    sign(petition)
    row = Mail.objects.select_related("signature__signer", "signature__petition").get()
    first, second = messages.compose(row).message(), messages.compose(row).message()
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


@pytest.mark.parametrize(
    "spoilt", [replace(AMINA, name=INJECTION), replace(AMINA, email=INJECTION)]
)
def test_a_line_break_in_signer_input_cannot_inject_a_header(
    petition: Petition, spoilt: sealing.Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    """No template allows one, but a row may nevertheless hold one."""
    sign(petition, spoilt)
    sign(petition, DAVID)

    outbox.deliver()

    assert [DAVID.email] in [message.to for message in sent.outbox]
    assert_nothing_injected()
    assert "victim" not in caplog.text


def test_a_line_break_in_the_sender_name_cannot_inject_a_header(
    petition: Petition, organisation: Organisation
) -> None:
    Organisation.objects.update(sender_name=INJECTION)
    sign(petition)

    outbox.deliver()

    assert_nothing_injected()


def assert_nothing_injected() -> None:
    for message in sent.outbox:
        parsed = message_from_bytes(message.message().as_bytes(), policy=policy.default)
        assert parsed["Bcc"] is None
        assert parsed["To"]
        assert "victim" not in parsed.as_string().partition("\n\n")[0]


IDN = replace(AMINA, email="amina@b\u00fccher.example")
ODD = replace(AMINA, email="\u0623\u0645\u064a\u0646\u0629@example.org")
QUOTED = replace(AMINA, email='"amina x"@example.org')
LONG = replace(AMINA, email="a" * 64 + "@" + "example." * 6 + "org")


def composed(petition: Petition, attempt: sealing.Attempt) -> Letter:
    row = Mail.objects.select_related("signature__signer").get(signature=sign(petition, attempt))
    return messages.compose(row)


def _alike(message: Any) -> list[tuple[str, str]]:
    """Return headers and parts, without MIME boundaries, which are random."""
    parts = [
        (part.get_content_type(), part.get_content()) for part in message.walk()
        if not part.is_multipart()
    ]  # fmt: skip
    headers = [(name, str(value)) for name, value in message.items() if name != "Content-Type"]
    return headers + parts


@pytest.mark.parametrize("attempt", [AMINA, BASHIR, CARYS, IDN])
def test_a_prebuilt_message_equals_the_one_that_django_would_write(
    petition: Petition, settings: Any, attempt: sealing.Attempt
) -> None:
    Organisation.objects.update(sender_name="\u062d\u0645\u0644\u0629, SBC")
    organisation.invalidate()
    letter, sender = composed(petition, attempt), settings.DEFAULT_FROM_EMAIL
    written: Any = letter.message()
    assert letter.raw
    assert b"\n" not in letter.raw.replace(b"\r\n", b"")
    ours = message_from_bytes(letter.raw, policy=policy.default)
    theirs = message_from_bytes(written.as_bytes(linesep="\r\n"), policy=policy.default)
    assert _alike(ours) == _alike(theirs)
    assert ours["Message-ID"] == f"<{letter.metadata['mail']}@{sender.rpartition('@')[2]}>"
    assert not ours.defects


@pytest.mark.parametrize("attempt", [ODD, QUOTED, LONG])
def test_a_message_to_an_unusual_address_is_built_by_django(
    petition: Petition, attempt: sealing.Attempt
) -> None:
    letter = composed(petition, attempt)
    assert letter.raw is None
    assert letter.to == [attempt.email]


@pytest.mark.parametrize(
    "to", [INJECTION, "a@b\r\nBcc: c@example.net", "a@example.org\n", "a@b, c@example.net", ""]
)
def test_a_message_to_anything_but_a_single_address_is_not_prebuilt(to: str) -> None:
    template = letters.Template(["confirm"])
    template.render(
        subject="s",
        text=template.marks["confirm"],
        html="<p>",
        sender="a@b.example",
        domain="b.example",
    )
    filled = template.fill({"confirm": "x"}, to=to, mail_id="1", date="d")
    assert filled.raw is None


@pytest.mark.parametrize("value", ["<b>", "a b", "a\r\nb", "", "&amp;", "\u0661"])
def test_a_message_value_that_could_be_markup_raises_a_value_error(value: str) -> None:
    template = letters.Template(["confirm"])
    template.render(subject="s", text="t", html="<p>", sender="a@b.example", domain="b.example")
    with pytest.raises(ValueError, match="letter"):
        template.fill({"confirm": value}, to="a@b.example", mail_id="1", date="d")


def test_a_message_with_too_long_lines_is_built_by_django() -> None:
    template = letters.Template(["confirm"])
    text = "\u00e9" * 600 + template.marks["confirm"]
    template.render(subject="s", text=text, html="<p>", sender="a@b.example", domain="b.example")
    letter = template.fill({"confirm": "x"}, to="a@b.example", mail_id="1", date="d")
    assert letter.raw is None
    assert str(letter.body).endswith("\u00e9x")


def test_the_smtp_backend_sends_prebuilt_messages_unchanged(
    petition: Petition, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str], bytes]] = []

    class Connection:
        def sendmail(self, sender: str, to: list[str], raw: bytes) -> None:
            seen.append((sender, to, raw))

        def quit(self) -> None:
            pass

    backend = letters.EmailBackend()
    monkeypatch.setattr(backend, "open", lambda: False)
    monkeypatch.setattr(backend, "connection", Connection())
    plain, odd = composed(petition, AMINA), composed(petition, QUOTED)

    backend.send_messages([plain])
    backend.send_messages([odd])

    assert seen[0] == (settings.DEFAULT_FROM_EMAIL, ["amina@example.org"], plain.raw)
    parsed = message_from_bytes(seen[1][2], policy=policy.default)
    assert str(parsed["To"]) == QUOTED.email


def without_html_and_body(html: str) -> str:
    """Return the HTML as Gmail shows it, without both elements and their attributes."""
    return re.sub(r"</?(html|body|!doctype)[^>]*>", "", html)


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize(("attempt", "direction"), [(BASHIR, "rtl"), (CARYS, "ltr")])
def test_language_and_direction_are_set_on_one_element_around_the_mail_body(
    petition: Petition, attempt: sealing.Attempt, direction: str, kind: str
) -> None:
    html = without_html_and_body(html_of(petition, attempt, kind))
    body = html.partition("</head>")[2].strip()
    assert body.startswith(f'<div lang="{attempt.language}" dir="{direction}"')
    assert body.endswith("</div>")
    assert body.count("<div") == 1


@pytest.mark.parametrize("kind", WITH_BUTTON)
def test_the_mail_button_is_a_padded_table_cell_for_outlook(petition: Petition, kind: str) -> None:
    html = html_of(petition, AMINA, kind)
    cell = re.search(r"<td ([^>]*)><a href=\"([^\"]*)\" style=\"([^\"]*)\">", html)
    assert cell
    assert 'bgcolor="#' in cell[1]
    assert "padding:14px 22px" in cell[1]
    assert "padding" not in cell[3]
    # The link is repeated in full below the button, for readers who do not see buttons.
    assert html.count(cell[2]) == 3


def html_of(petition: Petition, attempt: sealing.Attempt, kind: str) -> str:
    signature_id = sign(petition, attempt)
    mail = Mail.objects.select_related("signature__signer").get(signature=signature_id)
    mail.kind = kind
    ((html, _mime),) = messages.compose(mail).alternatives
    return str(html)
