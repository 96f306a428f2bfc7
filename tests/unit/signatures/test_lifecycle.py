"""The table of transitions, and that nothing else writes a signature's state."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from petitions.models import Decision, Signature
from petitions.signatures import lifecycle
from petitions.signatures.lifecycle import State

# `submit` stores new rows; `signing_sql` moves them in one round trip, with the table's constants.
# The seeder makes rows in every state.
ALLOWED = {
    "signatures/lifecycle.py",
    "signatures/submit.py",
    "signatures/signing_sql.py",
    "management/sample_signatures.py",
}
OTHERS = ("Mail.State", "Petition.State", "Enquiry.State")
WRITING_SQL = re.compile(
    r"UPDATE\s+petitions_signature\b[^;]*?\bSET\b(?:(?!\bWHERE\b|\bFROM\b)[^;])*?\bstate\s*=|"
    r"INSERT\s+INTO\s+petitions_signature\s*\(",
    re.IGNORECASE | re.DOTALL,
)


def writers(source: str) -> Iterator[str]:
    """Find the places in a module's source that write a signature's state."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if WRITING_SQL.search(node.value):
                yield node.value
        elif isinstance(node, ast.Call):
            yield from writing_calls(node)
        elif isinstance(node, ast.Assign):
            yield from (
                ast.unparse(node)
                for target in node.targets
                if isinstance(target, ast.Attribute) and target.attr == "state"
                if not ast.unparse(node.value).startswith(OTHERS)
            )


def writing_calls(node: ast.Call) -> Iterator[str]:
    """Return a call if it is one of the ORM that writes a signature's state."""
    called = ast.unparse(node.func).rpartition(".")[2]
    said = ast.unparse(node)
    has_state = any(word.arg == "state" for word in node.keywords)
    if called in {"update", "create", "get_or_create", "Signature"} and has_state:
        if "signature" in said.lower():
            yield said
    elif called in {"bulk_update", "save"} and "'state'" in said:
        yield said


def product() -> Iterator[tuple[str, str]]:
    folder = Path(settings.BASE_DIR) / "petitions"
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder).as_posix()
        if not name.startswith("migrations/"):
            yield name, path.read_text(encoding="utf-8")


def test_only_the_lifecycle_modules_write_the_state_of_a_signature() -> None:
    found = {
        (name, said[:80])
        for name, source in product()
        for said in writers(source)
        if name not in ALLOWED and not any(other in said for other in OTHERS)
    }
    # These write the state of a petition or an enquiry.
    assert found == {
        ("publishing/life.py", "row.state = State.DRAFT"),
        (
            "publishing/opening.py",
            "row.save(update_fields=['state', 'opens_at', *life.PAUSE_FIELDS])",
        ),
        ("mail/enquiries.py", "enquiry.state = State.ANSWERED if is_last else State.STARTED"),
        (
            "mail/enquiries.py",
            "enquiry.save(update_fields=['state', 'answered_on', 'acknowledged_on'])",
        ),
    }


@pytest.mark.parametrize(
    "source",
    [
        "Signature.objects.filter(pk=1).update(state=Signature.State.HELD)",
        "petition.signatures.update(state=State.HELD)",
        "Signature.objects.bulk_create([Signature(state=State.CONFIRMED)])",
        "signature.state = State.REMOVED",
        "Signature.objects.bulk_update(rows, ['state'])",
        "cursor.execute('UPDATE petitions_signature s SET name = 1, state = %s')",
    ],
)
def test_writes_to_the_state_of_a_signature_are_detected(source: str) -> None:
    assert list(writers(source))


def test_every_decision_except_erase_and_undo_has_a_transition_and_texts() -> None:
    kinds = set(Decision.Kind) - {Decision.Kind.ERASE, Decision.Kind.UNDO}
    assert set(lifecycle.DECISIONS) == kinds
    for one in lifecycle.DECISIONS.values():
        assert all(str(words) for words in (one.label, one.effect, one.summary % {"n": 2}))
        assert "Nobody gets an email." in str(one.effect)


def test_no_decision_is_possible_in_a_final_state() -> None:
    for state in lifecycle.ENDED:
        assert lifecycle.possible(state) == []


@pytest.mark.parametrize("state", [state for state in State if state not in lifecycle.ENDED])
def test_some_decision_is_possible_in_every_other_state(state: str) -> None:
    assert lifecycle.possible(state)


def test_the_confirming_sql_uses_the_held_and_confirmed_states() -> None:
    assert f"'{Signature.State.HELD}'" in lifecycle.CONFIRMED_AS
    assert f"'{Signature.State.CONFIRMED}'" in lifecycle.CONFIRMED_AS
