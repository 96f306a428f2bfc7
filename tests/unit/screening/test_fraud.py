"""Fraud signals: their weights and sentences, and whom they must not affect."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petitions.identity import email_addresses
from petitions.identity.providers import RELAYS
from petitions.screening import fraud_signals, rate_limits
from petitions.screening.fraud_signals import Facts, Signal, Verdict

AMINA = Facts(name="Amina Example", domain="example.org")


def codes(facts: Facts) -> set[str]:
    return {signal.code for signal in fraud_signals.judge(facts).signals}


def verdict(**changes: object) -> Verdict:
    return fraud_signals.judge(AMINA._replace(**changes)).verdict  # type: ignore[arg-type]


def test_an_ordinary_signature_has_no_fraud_signals() -> None:
    assert fraud_signals.judge(AMINA) == (Verdict.PASS, ())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"domain": "mailinator.com"}, "disposable"),
        ({"honeypot": "https://spam.example"}, "honeypot"),
        ({"pace": 40}, "pace"),
        ({"name": "test"}, "name-test"),
        ({"name": "<script>alert(1)</script>"}, "name-code"),
    ],
)
def test_each_strong_fraud_signal_alone_holds_and_none_blocks(
    change: dict[str, object], code: str
) -> None:
    judged = fraud_signals.judge(AMINA._replace(**change))  # type: ignore[arg-type]
    assert judged.verdict is Verdict.HOLD
    assert [signal.code for signal in judged.signals] == [code]


def test_three_strong_fraud_signals_block_and_two_hold() -> None:
    assert verdict(domain="mailinator.com", honeypot="x", pace=10) is Verdict.BLOCK
    assert verdict(domain="mailinator.com", honeypot="x") is Verdict.HOLD


def test_weak_fraud_signals_add_up_to_a_hold() -> None:
    assert verdict(name="Amina 1234") is Verdict.PASS
    assert verdict(name="Bcdfghjkl Example") is Verdict.PASS
    assert verdict(name="Bcdfghjkl 1234") is Verdict.HOLD


def test_a_random_or_slogan_name_in_a_burst_is_held() -> None:
    """The weights are 60 and 60, as the moderators' handbook says."""
    assert verdict(name="Bcdfghjkl Example", from_network=39) is Verdict.PASS
    assert verdict(name="Bcdfghjkl Example", from_network=40) is Verdict.HOLD
    assert verdict(name="Free Palestine", from_network=40) is Verdict.HOLD


@pytest.mark.parametrize("number", [8, 40, 120, 10_000])
def test_a_busy_network_alone_holds_no_signature(number: int) -> None:
    assert verdict(from_network=number) is Verdict.PASS
    assert verdict(from_network=number, has_origin=False) is Verdict.PASS


@pytest.mark.parametrize("others", [{}, {"from_network": 8}, {"from_network": 10_000}])
def test_a_burst_from_the_network_never_turns_a_hold_into_a_block(
    others: dict[str, object],
) -> None:
    """Otherwise a sender just below the threshold could tell that a neighbour signed."""
    nearly = {"name": "Amina 1234", "has_origin": False, "honeypot": "x", "pace": 40}
    assert verdict(**nearly, **others) is Verdict.HOLD


def test_the_burst_challenge_starts_where_the_burst_weight_is_highest() -> None:
    from campaign import settings as ours

    heaviest = Signal("burst", 10_000).weight
    least = next(n for n in range(1000) if Signal("burst", n).weight == heaviest)
    assert least == ours.BURST_CHALLENGE


@given(st.integers(0, 200), st.booleans(), st.sampled_from(["Amina", "test 123", "Bcdfghjkl"]))
def test_adding_the_burst_later_gives_the_same_judgement(
    burst: int, has_origin: bool, name: str
) -> None:
    facts = AMINA._replace(has_origin=has_origin, name=name)
    whole = fraud_signals.judge(facts._replace(from_network=burst))
    assert fraud_signals.with_burst(fraud_signals.judge(facts), burst) == whole


def test_only_pace_and_burst_signals_of_an_earlier_form_are_kept() -> None:
    judged = fraud_signals.judge(
        AMINA, ["pace", "burst:150", "disposable", "name-test", "blocked-domain"]
    )
    assert [str(signal) for signal in judged.signals] == ["pace", "burst:150"]
    assert judged.verdict is Verdict.HOLD
    again = fraud_signals.judge(AMINA._replace(pace=3, from_network=9), ["pace", "burst:150"])
    assert [str(signal) for signal in again.signals] == ["pace", "burst:150"]
    assert fraud_signals.with_burst(judged, 9) == judged
    assert fraud_signals.with_burst(judged, 151) == judged


def test_burst_signals_only_show_8_or_40_signatures() -> None:
    """Staff see the numbers of their own forms. 10 and 12 would reveal a form in between."""
    told = {
        str(signal)
        for number in range(1_000)
        for signal in fraud_signals.judge(AMINA._replace(from_network=number)).signals
    }
    assert told == {"burst:8", "burst:40"}


def test_300_signatures_an_hour_from_one_network_are_not_held() -> None:
    # Twice the average rate, because people come in groups.
    assert verdict(from_network=2 * 300 * rate_limits.BURST_SECONDS // 3600) is Verdict.PASS


def test_the_burst_sentence_names_the_counting_window() -> None:
    assert rate_limits.BURST_SECONDS == 2 * 60
    (sentence,) = fraud_signals.sentences(["burst:9"])
    assert sentence == "At least 9 signatures from one network in two minutes."


@pytest.mark.parametrize("pace", [None, 500, 2_000, 10**8])
def test_missing_and_plausible_typing_paces_pass(pace: int | None) -> None:
    assert verdict(pace=pace) is Verdict.PASS


@pytest.mark.parametrize("text", ["", "abc", "-5", "1.5", "1e3", "٣", "²", "1" * 10])
def test_a_malformed_typing_pace_is_ignored(text: str) -> None:
    assert fraud_signals.read_pace(text) is None


def test_a_valid_typing_pace_is_parsed() -> None:
    assert fraud_signals.read_pace("1234") == 1234


@pytest.mark.parametrize("text", ["", " ", "\t\r\n"])
def test_a_blank_honeypot_passes(text: str) -> None:
    assert verdict(honeypot=text) is Verdict.PASS


@pytest.mark.parametrize("domain", ["mailinator.com", "a.b.mailinator.com", "guerrillamail.com"])
def test_disposable_domains_include_their_subdomains(domain: str) -> None:
    assert fraud_signals.is_disposable(domain)


@pytest.mark.parametrize(
    "domain",
    [
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "live.co.uk",
        "yahoo.com", "yahoo.co.uk", "icloud.com", "me.com", "aol.com", "btinternet.com",
        "proton.me", "protonmail.com", "gmx.net", "mail.ru", "yandex.ru", "nhs.net", "sky.com",
        "virginmedia.com", "tuta.com", "duck.com",
        "mozmail.com", "privaterelay.appleid.com", "riseup.net",
        "ac.uk", "co.uk", "com", "", "of-mailinator.example",
    ],
)  # fmt: skip
def test_large_providers_and_public_suffixes_are_not_disposable(domain: str) -> None:
    assert not fraud_signals.is_disposable(domain)


@pytest.mark.parametrize("relay", sorted(RELAYS))
def test_mail_relays_are_never_treated_as_disposable(
    monkeypatch: pytest.MonkeyPatch, relay: str
) -> None:
    monkeypatch.setattr(fraud_signals, "_DISPOSABLE", frozenset({relay, "mailinator.com"}))
    assert fraud_signals.judge(AMINA._replace(domain=relay)) == (Verdict.PASS, ())
    assert not fraud_signals.is_disposable(f"amina.{relay}")
    assert fraud_signals.is_disposable("mailinator.com")
    one, other = (email_addresses.canonical(f"{name}@{relay}") for name in ("a1", "b2"))
    assert one != other


@pytest.mark.parametrize(
    "name",
    [
        "王", "李", "Ng", "Ô", "Ð", "O", "بشير مثال", "عبد الله", "اللهيار", "محمــــــــد", "ﷺ",
        "Llŷr Llywelyn", "Ynyr Llwyd", "Wmffre ap Rhys", "Angharad Bwlchgwyn", "Lloyd Pwll",
        "Hirschsprung", "Wojciech Brzęczyszczykiewicz", "Strč Prst", "Grgur Hrgić", "Krk Vlk",
        "Knightsbridge", "Schwarz-Schmidt", "Aaron Lee", "Zoë Aarne", "Renée", "Nguyễn Thị Ánh",
        "Ronald McDonald", "Maria DeLaCruz", "MacLeod", "van der Westhuizen", "O’Brien", "D'Arcy",
        "Henry VIII", "John Smith 3rd", "Jamie Test", "Christian Fake", "Ada Null", "Trew", "Wert",
        "Нгуен", "Фёдор Достоевский", "Ελένη", "שרה", "अनुराधा", "ศรีสุวรรณ", "さささ", "김", "ሰላም",
        "Keihanaikukauakahihuliheekahaunaele", "Rzhevskyy", "İbrahim Şık", "Bjørn Ås",
        "Abdulrahman Almutairi", "J. R. R. Tolkien", "A. A. A.", "Anonymous Bosch",
        "Justin Free", "Free Mandela", "Ann Stop", "Ban In-soo", "Grace Justice", "!Xóõ Kung",
        "Ann (Smith) Jones", "J.Smith/M.Jones", "Smith; Jones", "Ann -- Marie", "Sue Drop",
        "Robert O'Neil Jr.", "D' Angelo", "Anna & Ben", "Select Union",
        "عاشور الحرية", "لالا لطيفة",
    ],
)  # fmt: skip
def test_real_names_give_no_fraud_signals(name: str) -> None:
    assert codes(AMINA._replace(name=name)) == set()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("test", "name-test"),
        ("Test Test", "name-test"),
        ("PRAWF", "name-test"),
        ("اختبار", "name-test"),
        ("Anonymous", "name-test"),
        ("asdf qwer", "name-test"),
        ("qwerty", "name-keys"),
        ("lkjhg Smith", "name-keys"),
        ("شسيبل", "name-keys"),
        ("йцукен", "name-keys"),
        ("aaaa", "name-repeats"),
        ("Heeeello", "name-repeats"),
        ("ههههه", "name-repeats"),
        ("A" + "\u0301" * 199, "name-repeats"),
        ("A\u0334\u0335\u0336\u0337\u0338\u0321\u0322mina", "name-repeats"),
        ("Anna\u0489\u0489\u0489\u0489\u0489\u0489", "name-repeats"),
        ("Amina 1984", "name-digits"),
        ("Amina ١٩٨", "name-digits"),
        ("hvnkjdsft", "name-random"),
        ("aXkQjRt", "name-random"),
        ("<script>alert(1)</script>", "name-code"),
        ("Robert'); DROP TABLE--", "name-code"),
        ("Ann</b>", "name-code"),
        ("{{7*7}}", "name-code"),
        ("${jndi:ldap}", "name-code"),
        ("alert(1)", "name-code"),
        ("=HYPERLINK(A1)", "name-code"),
        ("x' UNION SELECT *", "name-code"),
        ("../../etc/passwd", "name-code"),
        ("Free Palestine", "name-slogan"),
        ("STOP THE WAR", "name-slogan"),
        ("Save Idlib now", "name-slogan"),
        ("Shame on you!", "name-slogan"),
        ("#IdlibUnderFire", "name-slogan"),
        ("Down with Assad", "name-slogan"),
        ("Rhyddid i Syria", "name-slogan"),
        ("أوقفوا الحرب", "name-slogan"),
        ("يسقط النظام", "name-slogan"),
    ],
)
def test_fake_names_give_their_fraud_signal(name: str, code: str) -> None:
    assert code in codes(AMINA._replace(name=name))
    # Otherwise a correction of the name would not clear it.
    assert fraud_signals.lasting([code]) == []


# Letters of all scripts except those of keyboard rows and of Latin rules.
_OTHER_LETTERS = st.characters(categories=["Lo", "Lm", "Mn", "Mc"]).filter(
    lambda char: not unicodedata.normalize("NFKD", char).isascii()
)


@given(st.lists(_OTHER_LETTERS, min_size=1, max_size=30))
def test_names_in_any_script_give_no_signal_for_their_letters(letters: list[str]) -> None:
    # No letter four times in a row, and no accidental row of keys.
    name = "".join(letters)
    found = codes(AMINA._replace(name=name))
    assert found <= {"name-repeats", "name-keys", "name-test"}
    if len(letters) < 4:
        assert not found


@given(st.characters(categories=["Lu", "Ll", "Lo"]))
def test_single_letter_names_give_no_fraud_signals(letter: str) -> None:
    assert codes(AMINA._replace(name=letter)) == set()


@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=20))
def test_fraud_checks_handle_any_input_without_errors(name: str, domain: str, trap: str) -> None:
    judged = fraud_signals.judge(Facts(name=name, domain=domain, honeypot=trap))
    assert all(len(str(signal)) <= 20 for signal in judged.signals)
    fraud_signals.read_pace(trap)


@given(st.integers(0, 10**8), st.booleans(), st.none() | st.integers(0, 10**9))
def test_stored_fraud_signals_round_trip_and_have_sentences(
    burst: int, has_origin: bool, pace: int | None
) -> None:
    facts = Facts(
        name="test 123", domain="mailinator.com", honeypot="x", pace=pace,
        has_origin=has_origin, from_network=burst,
    )  # fmt: skip
    signals = fraud_signals.judge(facts).signals
    stored = [str(signal) for signal in signals]
    assert all(len(text) <= 20 for text in stored)
    assert [Signal.read(text) for text in stored] == list(signals)
    assert all(sentence.endswith(".") for sentence in fraud_signals.sentences(stored))
    assert fraud_signals.weigh(map(Signal.read, stored)) == fraud_signals.judge(facts)


@given(st.integers(0, 500), st.integers(0, 500))
def test_more_signatures_from_a_network_never_lower_the_verdict(few: int, more: int) -> None:
    few, more = sorted((few, more))
    order = [Verdict.PASS, Verdict.HOLD, Verdict.BLOCK]
    assert order.index(verdict(from_network=few)) <= order.index(verdict(from_network=more))


def test_an_unknown_stored_signal_has_no_weight_and_shows_its_code() -> None:
    assert Signal.read("of-old:7").weight == 0
    assert fraud_signals.sentences(["of-old:7"]) == ["of-old"]


def test_every_fraud_signal_sentence_is_in_the_moderators_handbook() -> None:
    page = " ".join((Path(__file__).parents[3] / "docs" / "moderators.md").read_text().split())
    stored = [*fraud_signals.OF_PERSON, "honeypot", "pace", "no-origin", "same-mailbox", "burst:8"]
    for sentence in fraud_signals.sentences(stored):
        assert sentence in page
    assert f"From {fraud_signals.HOLD_AT} the signature is put on hold" in page
    assert f"from {fraud_signals.BLOCK_AT} it is refused" in page
