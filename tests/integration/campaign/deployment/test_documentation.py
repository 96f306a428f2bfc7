"""The documentation agrees with the code."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from django.contrib import admin

from tests.deployed import (
    EXAMPLE,
    OPERATORS,
    ROOT,
    image_environment,
    run,
    service,
    variables_read,
)


def test_exactly_the_environment_variables_in_use_are_documented() -> None:
    read = variables_read()
    assert {"SECRET_KEY", "SITE_URL", "WEB_WORKERS"} <= read
    for_compose = {"POSTGRES_PASSWORD"}
    told = set(re.findall(r"(?m)^(?:# )?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text()))
    assert told == read | for_compose
    explained = set(re.findall(r"(?m)^\| `([A-Z0-9_]+)`", OPERATORS.read_text()))
    assert explained == read | for_compose | {"UNDERSIGNED_VERSION"}


# What no constant can say, in words that the test below reads.
IN_WORDS = {
    "STATIC_ROOT": ("`staticfiles` beside the code", "{app}/staticfiles"),
    "ALLOWED_HOSTS": ("the host of `SITE_URL`", "127.0.0.1"),
}
PROGRAM_THAT_LISTS_DEFAULTS = """
import inspect, json
from campaign import env
found = {}
def noting(reader):
    def read(name, *args, **more):
        told = inspect.signature(reader).bind(name, *args, **more)
        # Readers read through each other: the first knows the default.
        found.setdefault(name, told.arguments.get("default", ""))
        return reader(name, *args, **more)
    return read
for reader in (
    "text", "flag", "integer", "words", "choice", "keys",
    "port", "host", "url", "origin", "database",
):
    setattr(env, reader, noting(getattr(env, reader)))
from campaign import gunicorn_conf, settings
print(json.dumps(found))
"""


@cache
def defaults_in_the_code(app: Path) -> dict[str, str]:
    """What each variable is in a container where nobody has set it."""
    done = run(["python", "-c", PROGRAM_THAT_LISTS_DEFAULTS], app, image_environment())
    found = json.loads(done.stdout)
    return {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in found.items()
    }


def test_the_documented_defaults_are_those_of_the_code(app: Path) -> None:
    code = defaults_in_the_code(app)
    assert set(code) == variables_read()
    rows = re.findall(r"(?m)^\| `([A-Z0-9_]+)`( \*)? \| ([^|]*?) ?\|", OPERATORS.read_text())
    assert len(rows) > len(code)
    for name, must_be_set, told in rows:
        if name in {"POSTGRES_PASSWORD", "UNDERSIGNED_VERSION"}:
            continue
        if told == "set by compose":
            assert name in service("web")["environment"], name
        elif name in IN_WORDS:
            assert (told, code[name]) == (IN_WORDS[name][0], IN_WORDS[name][1].format(app=app))
        elif told or not must_be_set:
            # Choices are read in any case.
            assert told.strip("`").lower() == code[name].lower(), name


def test_the_defaults_in_the_example_are_those_of_the_code(app: Path) -> None:
    code = defaults_in_the_code(app)
    _, _, optional = EXAMPLE.read_text().partition("# --- May be set; these are the defaults")
    told = dict(re.findall(r"(?m)^([A-Z][A-Z0-9_]+)=(.*)", optional.partition("\n# --- ")[0]))
    assert len(told) > 8
    del told["ALLOWED_HOSTS"]  # Empty there: the default is made of SITE_URL.
    assert {name: value.lower() for name, value in told.items()} == {
        name: code[name].lower() for name in told
    }
    (heartbeat,) = re.findall(r"(?m)^# BEAT_HEARTBEAT_FILE=(.*)", EXAMPLE.read_text())
    assert heartbeat == code["BEAT_HEARTBEAT_FILE"]


def test_every_file_linked_in_the_documentation_exists() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", ["compliance.md", "trust.md"])
def test_every_test_named_in_the_documentation_exists(name: str) -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    there = {letters(name) for name in re.findall(r"def test_(\w+)", tests)}
    page = " ".join((ROOT / "docs" / name).read_text().splitlines())
    # What stands there in italics and has spaces is a test's name, spoken.
    named = re.findall(r"(?<!\*)\*([^*|\n]+ [^*|\n]+)\*(?!\*)", page)
    assert len(named) > 30
    assert [name for name in named if letters(name) not in there] == []


def test_every_admin_action_is_documented_under_its_name() -> None:
    names = {
        str(found[2])
        for model_admin in admin.site._registry.values()
        if type(model_admin).__module__.startswith(("petitions.", "campaign."))
        for action in model_admin.actions or ()
        if (found := model_admin.get_action(action))
    }
    assert len(names) > 5
    pages = (ROOT / "docs" / f"{role}.md" for role in ("organisers", "moderators"))
    told = " ".join(" ".join(page.read_text().split()) for page in pages)
    assert {name for name in names if f"**{name}**" not in told} == set()


def letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
