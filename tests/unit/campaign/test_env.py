"""Environment variables are parsed or refused, and no error repeats their value."""

import base64
import re
import runpy
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from campaign import env
from campaign import settings as settings_module

NAME = "UNDERSIGNED_TEST"
SETTINGS = str(settings_module.__file__)
KEY, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (251, 252))
# Any text that an operating system can keep in a variable.
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
any_value = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_an_empty_variable_counts_as_unset(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    assert env.text(NAME, "spare") == "spare"
    assert env.flag(NAME, True) is True
    assert env.integer(NAME, 7) == 7
    assert env.words(NAME, "a,b") == ["a", "b"]
    assert env.choice(NAME, ("tea", "milk"), "milk") == "milk"
    assert env.keys(NAME) == {}


def test_surrounding_whitespace_is_stripped_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " two words \n")

    assert env.text(NAME) == "two words"


def test_a_value_can_be_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f" 1:{KEY}\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(secret))

    assert env.keys(NAME) == {1: bytes([251]) * 32}

    secret.write_text("\n")
    assert env.text(NAME, "spare") == "spare"


@pytest.mark.parametrize("what", ["missing", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    path = tmp_path if what == "folder" else tmp_path / what
    if what == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv(f"{NAME}_FILE", str(path))

    with pytest.raises(env.BadEnvironment, match=f"^{NAME}_FILE .* a text file that this") as told:
        env.text(NAME, "spare")
    assert str(tmp_path) not in str(told.value)


def test_setting_both_a_value_and_a_file_is_refused_without_printing_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("from the file")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv(NAME, "from the variable")

    with pytest.raises(env.BadEnvironment) as told:
        env.text(NAME)
    assert str(told.value) == (
        f"{NAME} in the environment should be empty, for {NAME}_FILE names a file."
    )


@pytest.mark.parametrize("value", ["1", "true", "YES", " On "])
def test_true_has_four_spellings(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    assert env.flag(NAME) is True


@pytest.mark.parametrize("value", ["0", "False", "no", "off"])
def test_false_has_four_spellings(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    assert env.flag(NAME, True) is False


@pytest.mark.parametrize("value", ["2", "ture", "yes please", "nein", "-1", "None"])
def test_any_other_boolean_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=NAME):
        env.flag(NAME)


@any_value
@given(number=st.integers(0, 10**12 - 1))
def test_a_whole_number_is_read(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, str(number))

    assert env.integer(NAME, 7) == number


@pytest.mark.parametrize("value", ["-1", "1.5", "1e3", "ten", "1 0", "0x10", "1_000", "9" * 5000])
def test_anything_but_a_whole_number_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=f"{NAME} .* whole number, 0 or more"):
        env.integer(NAME, 7)


def test_a_number_below_the_minimum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "0")

    with pytest.raises(env.BadEnvironment, match="1 or more"):
        env.integer(NAME, 7, at_least=1)


def test_a_number_above_the_maximum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "600")
    assert env.integer(NAME, 7, at_most=600) == 600
    monkeypatch.setenv(NAME, "601")

    with pytest.raises(env.BadEnvironment, match="0 to 600"):
        env.integer(NAME, 7, at_most=600)


def test_a_list_drops_what_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "a.example, b.example,, ,")

    assert env.words(NAME) == ["a.example", "b.example"]


def test_a_choice_is_one_of_the_options_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "STARTTLS")

    assert env.choice(NAME, ("none", "starttls"), "none") == "starttls"


def test_a_choice_that_is_not_offered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "ssl")

    with pytest.raises(env.BadEnvironment, match="one of: none, starttls"):
        env.choice(NAME, ("none", "starttls"), "none")


@pytest.mark.parametrize("value", ["0", "65536", "999999999999", "smtp"])
def test_an_invalid_port_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=NAME):
        env.port(NAME, 25)


@pytest.mark.parametrize(
    "value", ["smtp.example.org", "SMTP-1.example.org", "mail_relay", "192.0.2.1", "2001:db8::1"]
)
def test_a_host_is_a_name_or_an_ip_address(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    assert env.host(NAME, "localhost") == value


@pytest.mark.parametrize(
    "value",
    [
        "smtp.example.org:587", "smtp://smtp.example.org", "a..b", "-a.example", "a b", "bücher.de",
        "smtp.example.org/", "me@example.org", "[::1]", "x" * 64, ".".join(["x" * 60] * 5),
    ],
)  # fmt: skip
def test_anything_but_a_bare_host_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=f"{NAME} .* a host alone"):
        env.host(NAME, "localhost")


@pytest.mark.parametrize(
    ("value", "read"),
    [("", None), ("192.0.2.1", ("192.0.2.1", 53)), ("127.0.0.1:5353", ("127.0.0.1", 5353))],
)
def test_a_name_server_is_an_address_with_or_without_a_port(
    value: str, read: tuple[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)

    assert env.name_server(NAME) == read


@pytest.mark.parametrize("value", ["dns.example.org", "192.0.2", "192.0.2.1:0", "192.0.2.1:x"])
def test_an_invalid_name_server_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match="an IPv4 address"):
        env.name_server(NAME)


@pytest.mark.parametrize(
    "value", ["redis://redis:6379/0", "redis://:word@[::1]/1", "unix:///run/redis.sock"]
)
def test_a_url_with_an_allowed_scheme_is_read(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    assert env.url(NAME, "redis://127.0.0.1:6379/0", "redis", "unix") == value


@pytest.mark.parametrize(
    "value",
    [
        "redis", "redis:", "redis://", "//redis:6379", "http://redis:6379", "redis://[", "redis://[x]",
        "redis://redis:port", "redis://redis:99999", "redis://redis:0", "redis://re dis",
        "redis://re\ndis", "redis://rédis",
    ],
)  # fmt: skip
def test_a_url_that_is_malformed_or_has_another_scheme_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=f"{NAME} .* a URL such as redis://127"):
        env.url(NAME, "redis://127.0.0.1:6379/0", "redis", "unix")


@pytest.mark.parametrize("value", ["https://petition.example.org", "http://[::1]:8000"])
def test_the_trailing_slash_of_an_origin_is_removed(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, f"{value}/")

    assert env.origin(NAME, "http://127.0.0.1:8000") == value


@pytest.mark.parametrize(
    "value",
    [
        "petition.example.org", "https:///petition", "https://example.org/petition",
        "https://example.org?a", "https://example.org#a", "https://me@example.org",
        "https://exa_mple..org", "HTTPS://example.org", "ftp://example.org", "https://[::1",
        "https://bücher.example",
    ],
)  # fmt: skip
def test_anything_but_a_bare_origin_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=NAME):
        env.origin(NAME, "http://127.0.0.1:8000")


def test_a_database_url_is_parsed_and_percent_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "postgres://me:p%40ss@%2Frun%2Fpg:5433/petitions")

    read = env.database(NAME, "postgres:///undersigned", conn_max_age=600)

    told = [read[part] for part in ("USER", "PASSWORD", "HOST", "PORT", "NAME", "CONN_MAX_AGE")]
    assert told == ["me", "p@ss", "/run/pg", 5433, "petitions", 600]


@pytest.mark.parametrize(
    "value",
    ["petitions", "sqlite://:memory:", "mysql://h/x", "postgres://", "postgres://me:p@ss#w@h/x",
     "postgres://h:port/x", "postgres://[h/x"],
)  # fmt: skip
def test_a_url_that_is_not_postgresql_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=f"{NAME} .* a URL such as postgres://"):
        env.database(NAME, "postgres:///undersigned")


def test_a_key_ring_keeps_its_order_because_the_first_key_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, f"255:{OTHER}, 1:{KEY}")

    assert list(env.keys(NAME).items()) == [(255, b"\xfc" * 32), (1, b"\xfb" * 32)]


def test_a_key_may_be_in_url_safe_base64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "1:" + base64.urlsafe_b64encode(b"\xfb" * 32).decode())

    assert env.keys(NAME) == {1: b"\xfb" * 32}


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        f":{KEY}",
        f"0:{KEY}",
        f"256:{KEY}",
        f"-1:{KEY}",
        f"x:{KEY}",
        f"²:{KEY}",
        f"{'1' * 5000}:{KEY}",
        f"1:{KEY},1:{OTHER}",
        f"1:{KEY},01:{OTHER}",
        "1:",
        "1:c2hvcnQ=",
        f"1:{KEY[:-1]}",
        f"1:{KEY}AAAA",
        f"1:{KEY[:10]} {KEY[10:]}",
        f"1:{'ä' * 44}",
        f"1:{'0' * 64}",
    ],
)
def test_a_malformed_key_ring_is_refused_without_repeating_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)

    with pytest.raises(env.BadEnvironment, match=NAME) as refusal:
        env.keys(NAME)

    assert KEY[:10] not in str(refusal.value)
    assert "0000" not in str(refusal.value)


@any_value
@given(value=values)
@example(value="hunter2-hunter2")
@example(value="postgres://hunter2:hunter2@[")
@example(value="hunter2://")
def test_error_messages_never_repeat_the_value_of_the_variable(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, value)

    for said in refusals():
        # Everything that a refusal says, it says whatever the value was.
        assert said in EXPECTED


def refusals() -> list[str]:
    said = []
    for read in (
        lambda: env.flag(NAME),
        lambda: env.integer(NAME, 7),
        lambda: env.choice(NAME, ("none", "starttls"), "none"),
        lambda: env.keys(NAME),
        lambda: env.networks(NAME),
        lambda: env.rate(NAME, "off"),
        lambda: env.port(NAME, 25),
        lambda: env.host(NAME, "localhost"),
        lambda: env.url(NAME, "redis://localhost", "redis", "unix"),
        lambda: env.origin(NAME, "https://example.org"),
        lambda: env.database(NAME, "postgres:///undersigned"),
    ):
        try:
            read()
        except env.BadEnvironment as error:
            said.append(str(error))
    return said


EXPECTED = {
    f"{NAME} in the environment should be {form}."
    for form in (
        "one of: 1, 0, true, false, yes, no, on, off",
        "a whole number, 0 or more",
        "one of: none, starttls",
        "id:key[,id:key] with distinct ids from 1 to 255",
        "id:key[,id:key] with keys in base64",
        "id:key[,id:key] with keys of 32 bytes in base64",
        "networks such as 10.0.0.0/8 or fd00::/8, separated by commas",
        "one rate such as 600/hour, or off",
        "a whole number, 1 or more",
        "a whole number, 1 to 65535",
        "a host alone, such as smtp.example.org or 192.0.2.1",
        "a URL such as redis://localhost",
        "a URL such as https://example.org",
        "scheme and host alone, such as https://petition.example.org",
        "a URL such as postgres:///undersigned",
        "a URL such as postgres://user:password@host:5432/name",
    )
}
PIECES = [
    "", " ", "@", ".", ":", "/", "//", "?", "#", "%", "%zz", "[", "]", "[::1]", ",", ";", "\\", '"',
    "petition", "example.org", "http://", "https://", "postgres://", "redis://", "unix://", "off",
    "0", "-1", "65536", "1e9", "²", "600/hour", "10.0.0.0/8", "1:", KEY, "ع", "é", "\u200f", "\x7f",
]  # fmt: skip
VARIABLES = sorted(set(re.findall(r'\benv\.\w+\(\s*"(\w+)"', Path(SETTINGS).read_text())))


@any_value
@given(
    name=st.sampled_from(VARIABLES),
    value=st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | values,
)
@example(name="SITE_URL", value="https://[")
@example(name="SITE_URL", value="https://[::1]:port")
def test_settings_are_read_or_refused_whatever_a_variable_holds(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as here:
        here.setenv(name, value)
        # As a program of its own: nothing of it reaches the settings of this process.
        with suppress(env.BadEnvironment):
            runpy.run_path(SETTINGS)
