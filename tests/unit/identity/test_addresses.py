"""Two addresses are one mailbox only if the provider's rules say so."""

from collections.abc import Mapping
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from petitions.admin.fields import PastedAddressField
from petitions.identity import email_addresses, providers
from petitions.identity.email_addresses import canonical
from petitions.identity.providers import Provider
from petitions.web.fields import EmailAddressField, ReadOtherwise

local_parts = st.text(alphabet="aAzZéßİſ09._+-'\u0301\u0345\u03b1\u1fb3", min_size=1, max_size=12)
domains = st.sampled_from(
    [
        "gmail.com", "GoogleMail.com", "pm.me", "yahoo.co.uk", "outlook.com", "gmx.de", "me.com",
        "example.org", "Bücher.example", "faß.de", "xn--bcher-kva.example", "gmail.com.",
        "ａｂｃ.example", "例え。テスト", "مثال.إختبار", "a..b", "ü" * 70 + ".de",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    "typed",
    [
        "amina@gmail.com",
        "Amina@Gmail.COM",
        "a.m.i.n.a@gmail.com",
        "amina+petition@gmail.com",
        "amina@googlemail.com",
        "a.mina+x+y@GoogleMail.com",
        "  amina@gmail.com\n",
        "amina@ｇmail.com",
        "amina@gmail.com.",
    ],
)
def test_gmail_aliases_have_one_canonical_address(typed: str) -> None:
    assert canonical(typed) == "amina@gmail.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("amina.m@proton.me", "aminam+x@protonmail.com"),
        ("amina@pm.me", "amina@proton.me"),
        ("amina-m@proton.me", "amina_m@proton.me"),
        ("amina@protonmail.ch", "amina@proton.me"),
        ("amina@me.com", "amina+x@icloud.com"),
        ("amina@mac.com", "amina@icloud.com"),
        ("amina@ya.ru", "amina@yandex.com"),
        ("amina-m@yandex.ru", "amina.m@yandex.ru"),
        ("amina@fastmail.fm", "amina+x@fastmail.com"),
        ("amina-shop@yahoo.com", "amina@yahoo.com"),
        ("amina+shop@yahoo.com", "amina@yahoo.com"),
        ("amina-shop@yahoo.co.uk", "amina-other@yahoo.co.uk"),
        ("amina+x@outlook.com", "Amina@outlook.com"),
        ("amina+x@hotmail.co.uk", "amina@hotmail.co.uk"),
        ("amina+x@gmx.de", "amina@gmx.de"),
        ("amina+x@example.org", "amina@example.org"),
        ("amina@EXAMPLE.org", "AMINA@example.org"),
        ("amina@bücher.example", "amina@XN--BCHER-KVA.example"),
        ("amina@BÜCHER.example", "amina@bu\u0308cher.example"),
        ("am\u00e9lie@example.org", "ame\u0301lie@example.org"),
        ("amina@مثال。example", "amina@مثال.example"),
    ],
)
def test_aliases_of_one_mailbox_have_the_same_canonical_address(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mina@outlook.com", "amina@outlook.com"),
        ("a.mina@example.org", "amina@example.org"),
        ("a.mina@yahoo.com", "amina@yahoo.com"),
        ("a.mina@icloud.com", "amina@icloud.com"),
        ("amina@outlook.com", "amina@hotmail.com"),
        ("amina@gmx.de", "amina@gmx.net"),
        ("amina@sent.com", "amina@fastmail.com"),
        ("amina@yahoo.com", "amina@yahoo.co.uk"),
        ("amina-m@gmail.com", "amina@gmail.com"),
        ("amina-m@example.org", "amina@example.org"),
        ("amina_m@yandex.ru", "amina.m@yandex.ru"),
        ("amina@faß.de", "amina@fass.de"),
        ("amina@notgmail.com", "amina@gmail.com"),
        ("amina@gmail.com.example", "amina@gmail.com"),
        # The second letter of the second address is Cyrillic.
        ("amina@example.org", "am\u0456na@example.org"),
        ("amina@example.org", "amina@ex\u0430mple.org"),
        ("amélie@example.org", "amelie@example.org"),
    ],
)
def test_addresses_of_different_mailboxes_have_different_canonical_forms(
    one: str, other: str
) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("typed", ["+x@gmail.com", "-x@yahoo.com", "+@example.org"])
def test_an_address_with_an_empty_base_keeps_its_tag(typed: str) -> None:
    local = canonical(typed).partition("@")[0]

    assert local
    assert canonical(typed) != canonical("+other" + typed)


@pytest.mark.parametrize("typed", ["-@proton.me", "_.-@proton.me", ".@gmail.com"])
def test_a_local_part_of_only_ignored_characters_is_kept(typed: str) -> None:
    assert canonical(typed) == typed


def test_two_addresses_with_different_tags_and_no_base_differ() -> None:
    assert canonical("+one@gmail.com") != canonical("+two@gmail.com")


@given(local_parts, domains)
@example("ΐ", "example.org")
@example("+.", "gmail.com")
@example("a\u0345\u0301", "example.org")
def test_canonicalising_an_address_is_idempotent(local: str, domain: str) -> None:
    form = canonical(f"{local}@{domain}")

    assert canonical(form) == form


@given(st.text(max_size=40))
def test_canonicalising_any_text_is_idempotent(typed: str) -> None:
    form = canonical(typed)

    assert canonical(form) == form


@given(local_parts, domains)
def test_a_canonical_address_never_has_an_empty_local_part(local: str, domain: str) -> None:
    assert not canonical(f"x{local}@{domain}").startswith("@")


@pytest.mark.parametrize(
    ("typed", "ascii_form"),
    [
        ("bücher.de", "xn--bcher-kva.de"),
        ("EXAMPLE.org", "example.org"),
        ("example.org.", "example.org"),
        ("faß.de", "xn--fa-hia.de"),
        ("ü" * 70 + ".de", "ü" * 70 + ".de"),
        ("a..b", "a..b"),
        ("", ""),
    ],
)
def test_internationalised_domains_have_one_ascii_form(typed: str, ascii_form: str) -> None:
    assert email_addresses.ascii_domain(typed) == ascii_form
    assert email_addresses.domain_of(f'"a@b"@{typed}') == ascii_form


def test_the_delivery_address_keeps_its_local_part_and_uses_idna_2008() -> None:
    assert email_addresses.deliverable("Amina+x@Gmail.com") == "Amina+x@gmail.com"
    assert email_addresses.deliverable("amina@faß.de") == "amina@xn--fa-hia.de"


@pytest.mark.parametrize(
    ("typed", "is_taken"),
    [
        ("Amina+x@Gmail.com", True),
        ("o'brien@bücher.example", True),
        # Django's mailer would send to other addresses than these.
        ("أمينة@example.org", False),
        ("amélie@example.org", False),
        ('"amina m"@example.org', False),
        ("amina@[192.0.2.1]", False),
        ("amina@example.org\nbcc: x@example.org", False),
    ],
)
def test_the_address_field_accepts_only_deliverable_addresses(typed: str, is_taken: bool) -> None:
    try:
        EmailAddressField().clean(typed)
    except ValidationError:
        assert not is_taken
    else:
        assert is_taken


@pytest.mark.parametrize(
    "typed",
    [
        "\u200banna@example.org", "\ufeffanna@example.org", "\u202aanna@example.org\u202c",
        "\u2066anna@example.org\u2069", "an\u200dna@exam\u00adple.org", "anna@exa\u200cmple.org",
        "anna@example.org.", "anna@example.org,", "anna@example.org;", "anna@example.org،",
        "anna@example.org。", "(anna@example.org)", "<anna@example.org>", "'anna@example.org'",
        "“anna@example.org”", "Anna Example <anna@example.org>;", "mailto:anna@example.org",
        "anna @ example.org", "ａｎｎａ＠example.org", "anna@example.org/",
        "\ufffcanna@example.org", "anna@example.org\u2800", "anna@example.org\u3164",
        "anna@example.org\ufe0f", "an\u034fna@example.org",
    ],
    ids=ascii,
)  # fmt: skip
def test_the_address_field_strips_punctuation_and_invisible_characters(typed: str) -> None:
    assert EmailAddressField().clean(typed) == "anna@example.org"


@pytest.mark.parametrize("typed", ["o'brien@example.org", "'anna@example.org", "/anna@example.org"])
def test_characters_valid_in_a_local_part_are_kept(typed: str) -> None:
    assert EmailAddressField().clean(typed) == typed


@pytest.mark.parametrize(
    "typed",
    [
        "anna@gmail..com", "anna@gmail,com", "anna@gmail", "anna@gmailcom", "anna@@gmail.com",
        "annagmail.com", "anna.gmail.com", "an na@gmail.com", "anna(at)gmail.com",
        "anna@gmail .com",
        "anna at gmail.com", "anna at gmail dot com", "anna[at]gmail[dot]com",
        "anna.@gmail.com", "anna@.gmail.com", "anna@gmial..com",
        "mailto:anna@gmail.com?subject=Petition", "anna@gmail.com (work)", "Email: anna@gmail.com",
        "anna@gmail.com,anna@gmail.com", "Anna, anna@gmail.com", "anna@gmail.com; tel: 0161",
    ],
)  # fmt: skip
def test_a_malformed_address_gets_a_did_you_mean_suggestion(typed: str) -> None:
    with pytest.raises(ReadOtherwise) as refusal:
        EmailAddressField().clean(typed)

    assert refusal.value.values == {"email": "anna@gmail.com"}
    assert "Did you mean <bdi>anna@gmail.com</bdi>?" in refusal.value.message


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("o’brien@example.org", "o'brien@example.org"),
        ("anna–maria@example.org", "anna-maria@example.org"),
        ("anna@my‑mail.org", "anna@my-mail.org"),
        ("anna@hotmail.co,uk", "anna@hotmail.co.uk"),
    ],
)
def test_typographic_characters_in_an_address_get_a_suggestion(typed: str, meant: str) -> None:
    with pytest.raises(ReadOtherwise) as refusal:
        EmailAddressField().clean(typed)

    assert refusal.value.values == {"email": meant}


@pytest.mark.parametrize(
    "typed",
    ["anna", "anna@", "@gmail.com", "gmail.com", "a@b@c.org", "@", "anna@b.org, bashir@c.org"],
)
def test_an_unrecognisable_address_gets_no_suggestion(typed: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        EmailAddressField().clean(typed)

    assert refusal.value.code == "invalid"


@pytest.mark.parametrize(
    "typed",
    [
        "josé@example.org", "jose\u0301@example.org", "أمينة@example.org", "аmina@example.org",
        "josé@gmail..com", "josé@gmail", "أمينة @ example.org", "josé(at)example.org",
    ],
)  # fmt: skip
def test_a_non_ascii_local_part_is_refused_with_its_own_error_code(typed: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        EmailAddressField().clean(typed)

    assert refusal.value.code == "foreign"


@pytest.mark.parametrize("typed", ["عنوان anna@example.org", "e–bost anna@example.org"])
def test_an_address_beside_non_latin_words_is_suggested(typed: str) -> None:
    with pytest.raises(ReadOtherwise) as refusal:
        EmailAddressField().clean(typed)

    assert refusal.value.values == {"email": "anna@example.org"}


@given(st.text(max_size=60) | st.from_regex(r"[a-z.,@ <>'\u200b]{0,30}", fullmatch=True))
def test_any_text_is_read_as_a_valid_address_or_refused(typed: str) -> None:
    try:
        address = email_addresses.read(typed)
    except email_addresses.NotAnAddress as refusal:
        address = refusal.meant
    assert not address or email_addresses.read(address) == address


def test_a_masked_address_hides_the_length_of_its_local_part() -> None:
    assert email_addresses.masked("amina.example@example.org") == "a•••@example.org"
    assert email_addresses.masked("ab@example.org") == "a•••@example.org"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("amina@gmail.com", "a•••@gmail.com"),
        ("amina@Fastmail.FM", "a•••@Fastmail.FM"),
        ("ab12@duck.com", "a•••@duck.com"),
        ("amina@the-examples.org", "a•••@•••"),
    ],
)
def test_the_address_masked_for_staff_shows_only_common_domains(address: str, shown: str) -> None:
    assert email_addresses.masked_for_staff(address) == shown


def test_the_fingerprint_of_providers_changes_only_with_their_rules() -> None:
    one, other = Provider(("a.example", "b.example"), ignores="."), Provider(("c.example",))
    same = Provider(("a.example", "b.example"), ignores=".")

    assert providers.fingerprint([one, other]) == providers.fingerprint([other, same])
    for changed in (
        Provider(("b.example", "a.example"), ignores="."),
        Provider(("a.example", "b.example", "d.example"), ignores="."),
        Provider(("a.example", "b.example"), ignores=".-"),
        Provider(("a.example", "b.example"), ignores=".", tags="-"),
        Provider(("a.example", "b.example"), ignores=".", hyphen_is_dot=True),
        Provider(("a.example", "b.example"), ignores=".", subdomains=True),
    ):
        assert providers.fingerprint([changed, other]) != providers.fingerprint([one, other])
    assert providers.fingerprint(providers.PROVIDERS) == providers.FINGERPRINT


def test_every_domain_belongs_to_one_provider() -> None:
    listed = [domain for provider in providers.PROVIDERS for domain in provider.domains]

    assert len(listed) == len(set(listed))
    assert all(domain == email_addresses.ascii_domain(domain) for domain in listed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shop@amina.fastmail.com", "amina@fastmail.com"),
        ("Any+Thing@Amina.FastMail.fm", "amina+x@fastmail.com"),
        ("shop@amina.sent.com", "amina@sent.com"),
        ("shop@amina.fastmail.co.uk", "amina+x@FastMail.co.uk"),
    ],
)
def test_fastmail_subdomain_addresses_map_to_the_mailbox(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize("typed", ["x@.fastmail.com", "x@a.b.fastmail.com", "x@amina.gmail.com"])
def test_other_provider_subdomains_are_separate_domains(typed: str) -> None:
    assert canonical(typed) == typed


# Any rules that a provider may have. Letters and digits always make a difference.
marks = st.text(alphabet=".+-_=#!", max_size=3)
made_up_rules = st.builds(
    lambda ignores, tags, hyphen_is_dot, subdomains: providers.by_domain(
        [
            Provider(
                ("one.example", "two.example"),
                ignores,
                tags,
                hyphen_is_dot,
                subdomains,
            )
        ]
    ),
    marks,
    marks,
    st.booleans(),
    st.booleans(),
)
under_rules = st.sampled_from(["One.example", "two.EXAMPLE", "a.one.example", "-.two.example"])
tricky = st.text(alphabet="aA.+-_=#!İ\u0301\u0345", max_size=8)


@given(tricky, under_rules, made_up_rules)
def test_canonicalising_is_idempotent_under_any_provider_rules(
    local: str, domain: str, rules: Mapping[str, Provider]
) -> None:
    with patch.object(providers, "BY_DOMAIN", rules):
        form = canonical(f"{local}@{domain}")

        assert canonical(form) == form


plain = st.text(alphabet="abAB.-_'", min_size=1, max_size=6)


@given(
    plain,
    plain,
    st.sampled_from(
        [("example.org", "Example.ORG"), ("bücher.example", "BÜCHER.example"), ("faß.de", "Faß.DE")]
    ),
)
def test_unknown_domains_ignore_only_case_and_plus_tags(
    one: str, other: str, spellings: tuple[str, str]
) -> None:
    domain, same_domain = spellings
    same = canonical(f"{one}@{domain}") == canonical(f"{other}@{domain}")

    assert same is (one.lower() == other.lower())
    assert canonical(f"{one}+{other}@{same_domain}") == canonical(f"{one}@{domain}")


@given(plain, st.sampled_from(["example.org", "gmail.com.example"]), made_up_rules)
def test_rules_of_one_provider_touch_no_other_domain(
    local: str, domain: str, rules: Mapping[str, Provider]
) -> None:
    with patch.object(providers, "BY_DOMAIN", rules):
        assert canonical(f"{local}@{domain}") == f"{local.lower()}@{domain}"


def test_domain_functions_have_no_cache_that_could_leak_by_timing() -> None:
    """A cache of domains would reveal which domains somebody else has just signed with."""
    for function in (email_addresses.ascii_domain, email_addresses.suggested_domain):
        assert not hasattr(function, "cache_info"), function


@pytest.mark.parametrize(
    "pasted", ["\u200bamina@example.org", "Amina <amina@example.org>", "mailto:amina@example.org,"]
)
def test_the_staff_address_field_cleans_pasted_text_like_the_public_form(pasted: str) -> None:
    assert PastedAddressField().clean(pasted) == "amina@example.org"


@pytest.mark.parametrize("typed", ["amina", "josé@example.org", "amina@gmail..com"])
def test_the_staff_reading_of_an_invalid_address_leaves_it_unchanged(typed: str) -> None:
    assert email_addresses.as_read(typed) == typed


def test_text_far_too_long_for_an_address_is_refused_without_a_suggestion() -> None:
    """Reading may take quadratic time: a form of 1 MB took a process half an hour."""
    assert email_addresses.as_read("Amina <amina@example.org>") == "amina@example.org"
    long = f"{',' * 1_000} amina@example.org"
    with pytest.raises(email_addresses.NotAnAddress) as refused:
        email_addresses.read(long)
    assert not refused.value.meant
    with pytest.raises(ValidationError):
        PastedAddressField().clean(long)
