"""The challenge: what it asks for, what answers it, and that it turns nobody away."""

import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client

from petitions.models import Petition, Signature
from petitions.screening import challenge
from tests import proof
from tests.people import typed
from tests.proof import encoded, solved

PAGE = "/petitions/protect/"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work itself is done in tests/browser: here it would only take time."""
    monkeypatch.setattr(challenge, "COST", 1)


@pytest.fixture
def busy(petition: Petition) -> Petition:
    petition.challenge = Petition.Challenge.ALWAYS
    petition.save()
    return petition


def task_in(response: Any) -> dict[str, Any]:
    return proof.task_in(response.content.decode())


def patience_in(response: Any) -> str:
    found = re.search(r'name="patience" value="([^"]+)"', response.content.decode())
    assert found
    return found[1]


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


def test_no_challenge_is_required_by_default(petition: Petition, browser: Client) -> None:
    assert browser.post(PAGE, typed()).status_code == 303


def test_a_required_challenge_is_a_403_with_the_filled_form_and_stores_nothing(
    busy: Petition, browser: Client
) -> None:
    response = browser.post(PAGE, typed())

    assert response.status_code == 403
    assert "no-store" in response["Cache-Control"]
    page = response.content.decode()
    assert 'value="Amina Example"' in page
    assert 'value="amina@example.org"' in page
    assert 'value="M14 5RX"' in page
    assert re.search(r'id="challenge"[^>]* autofocus', page)
    assert not Signature.objects.exists()


def test_the_petition_page_contains_no_challenge(busy: Petition, browser: Client) -> None:
    page = browser.get(PAGE).content.decode()
    assert "altcha" not in page
    assert "patience" not in page
    assert "challenge" not in page


def test_a_solved_challenge_is_accepted(busy: Petition, browser: Client) -> None:
    task = task_in(browser.post(PAGE, typed()))
    assert browser.post(PAGE, typed(altcha=solved(task))).status_code == 303
    assert Signature.objects.count() == 1


def test_a_proof_is_accepted_once(busy: Petition, browser: Client) -> None:
    proof = solved(task_in(browser.post(PAGE, typed())))
    assert browser.post(PAGE, typed(altcha=proof)).status_code == 303
    again = browser.post(PAGE, typed(altcha=proof, email="other@example.org"))
    assert again.status_code == 403
    assert Signature.objects.count() == 1


def test_a_reencoded_proof_counts_as_already_used(busy: Petition) -> None:
    task = json.loads(challenge.offer("protect").task)
    proof = solved(task)
    assert challenge.demand({"altcha": proof}, "protect") is None
    known = json.loads(base64.b64decode(proof))
    known["challenge"]["parameters"] = dict(reversed(known["challenge"]["parameters"].items()))
    reordered = {**dict(reversed(known.items())), "solution": {**known["solution"], "counter": 3}}
    assert challenge.demand({"altcha": encoded(reordered)}, "protect")


def test_an_invalid_form_does_not_use_up_its_proof(busy: Petition, browser: Client) -> None:
    proof = solved(task_in(browser.post(PAGE, typed())))
    assert browser.post(PAGE, typed(altcha=proof, consent="")).status_code == 422
    assert browser.post(PAGE, typed(altcha=proof)).status_code == 303


def test_a_proof_is_valid_only_for_its_petition(busy: Petition) -> None:
    proof = solved(json.loads(challenge.offer("another").task))
    assert challenge.demand({"altcha": proof}, "protect")
    assert challenge.demand({"altcha": proof}, "another") is None


def test_a_proof_of_work_expires(busy: Petition, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = solved(json.loads(challenge.offer("protect").task))
    later(monkeypatch, challenge.PROOF_SECONDS + 1)
    assert challenge.demand({"altcha": proof}, "protect")


@pytest.mark.parametrize("field", ["altcha", "patience"])
def test_proofs_and_wait_tokens_are_valid_only_in_their_network(
    busy: Petition, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    here, there = "192.0.2.0/24", "198.51.100.0/24"
    offer = challenge.offer("protect", here)
    earned = {"altcha": solved(json.loads(offer.task)), "patience": offer.patience}
    later(monkeypatch, challenge.WAIT_SECONDS)
    assert challenge.demand({field: earned[field]}, "protect", there)
    assert challenge.demand({field: earned[field]}, "protect")
    assert challenge.demand({field: earned[field]}, "protect", here) is None


def test_a_proof_from_another_network_is_refused_with_the_filled_form(
    busy: Petition, browser: Client
) -> None:
    proof = solved(task_in(browser.post(PAGE, typed())))
    moved = browser.post(PAGE, typed(altcha=proof), REMOTE_ADDR="198.51.100.9")
    assert moved.status_code == 403
    assert 'value="amina@example.org"' in moved.content.decode()
    assert not Signature.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": 2},
        {"keyPrefix": "00"},
        {"expiresAt": 9999999999},
        {"expiresAt": None},
        {"keySignature": None},
        {"keySignature": "0" * 64},
        {"nonce": "00" * 16},
        {"nonce": ["a"]},
        {"algorithm": "SHA-256"},
    ],
)
def test_a_forged_proof_is_refused(busy: Petition, changes: dict[str, object]) -> None:
    task = json.loads(challenge.offer("protect").task)
    assert challenge.demand({"altcha": solved(task, **changes)}, "protect")


@pytest.mark.parametrize("solution", [{}, {"counter": 1}, {"counter": 1, "derivedKey": "é"}, 7])
def test_a_task_without_a_valid_solution_is_refused(busy: Petition, solution: object) -> None:
    task = json.loads(challenge.offer("protect").task)
    proof = encoded({"challenge": task, "solution": solution})
    assert challenge.demand({"altcha": proof}, "protect")


@pytest.mark.parametrize(
    "raw", ["", "x", "é", "====", "bnVsbA==", "W10=", "e30=", encoded({"salt": 1}), "W1tb" * 250]
)
def test_a_malformed_proof_is_refused(busy: Petition, browser: Client, raw: str) -> None:
    assert browser.post(PAGE, typed(altcha=raw)).status_code == 403


def test_a_challenge_survives_a_key_rotation_until_its_key_is_removed(
    busy: Petition, settings: Any
) -> None:
    offer = challenge.offer("protect")
    settings.LINK_KEYS = {9: b"9" * 32, **settings.LINK_KEYS}
    assert challenge.demand({"altcha": solved(json.loads(offer.task))}, "protect") is None
    settings.LINK_KEYS = {9: b"9" * 32}
    other = challenge.demand({"patience": offer.patience}, "protect")
    assert other
    assert not other.is_early


def test_waiting_replaces_the_proof_without_javascript(
    busy: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = browser.post(PAGE, typed())
    assert "Wait 20 seconds, then press the button again." in asked.content.decode()

    later(monkeypatch, challenge.WAIT_SECONDS)

    sent = browser.post(PAGE, typed(altcha="", patience=patience_in(asked)))
    assert sent.status_code == 303
    assert Signature.objects.count() == 1


def test_submitting_too_early_shows_the_remaining_wait_and_keeps_the_token(
    busy: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = patience_in(browser.post(PAGE, typed()))
    later(monkeypatch, 8)

    early = browser.post(PAGE, typed(patience=token))

    page = early.content.decode()
    assert early.status_code == 403
    assert re.search(r"A moment more, please.*Wait 1[12] seconds", page)
    assert 'value="amina@example.org"' in page
    assert patience_in(early) == token


def test_an_invalid_form_keeps_its_wait_token(busy: Petition, browser: Client) -> None:
    token = patience_in(browser.post(PAGE, typed()))
    assert patience_in(browser.post(PAGE, typed(patience=token, consent=""))) == token


def test_a_wait_token_is_valid_once_for_its_petition_and_a_limited_time(
    busy: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, other, old = (challenge.offer("protect").patience for _ in range(3))
    later(monkeypatch, challenge.WAIT_SECONDS)
    assert challenge.demand({"patience": token}, "protect") is None
    assert challenge.demand({"patience": token}, "protect")
    assert challenge.demand({"patience": other}, "another")
    assert challenge.demand({"patience": f"{other}x"}, "protect")
    later(monkeypatch, challenge.PATIENCE_SECONDS + 60)
    assert challenge.demand({"patience": old}, "protect")


def test_wait_tokens_have_a_limit_per_network_and_minute(
    busy: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [challenge.offer("protect", "192.0.2.0").patience for _ in range(6)]
    elsewhere = challenge.offer("protect", "198.51.100.0").patience
    later(monkeypatch, challenge.WAIT_SECONDS)
    answers = [challenge.demand({"patience": token}, "protect", "192.0.2.0") for token in tokens]
    assert answers[:5] == [None] * 5
    assert answers[5]
    assert answers[5].is_crowded
    # Others are not kept waiting, and whoever was has a token for later.
    assert challenge.demand({"patience": elsewhere}, "protect", "198.51.100.0") is None
    later(monkeypatch, 60)
    assert challenge.demand({"patience": answers[5].patience}, "protect", "192.0.2.0") is None


def test_a_used_wait_token_does_not_count_towards_the_limit_of_its_network(
    busy: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent, fresh = (challenge.offer("protect", "192.0.2.0").patience for _ in range(2))
    later(monkeypatch, challenge.WAIT_SECONDS)
    assert challenge.demand({"patience": spent}, "protect", "192.0.2.0") is None
    for _ in range(10):
        again = challenge.demand({"patience": spent}, "protect", "192.0.2.0")
        assert again
        assert not again.is_crowded
    assert challenge.demand({"patience": fresh}, "protect", "192.0.2.0") is None


def test_one_of_many_concurrent_requests_uses_a_proof(busy: Petition) -> None:
    proof = solved(json.loads(challenge.offer("protect").task))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: challenge.demand({"altcha": proof}, "protect"), range(8)))
    assert answers.count(None) == 1


@pytest.mark.parametrize(("prefix", "direction"), [("", "ltr"), ("/ar", "rtl"), ("/cy", "ltr")])
def test_the_challenge_is_shown_in_the_language_of_the_page(
    busy: Petition, browser: Client, prefix: str, direction: str
) -> None:
    page = browser.post(prefix + PAGE, typed()).content.decode()
    assert f'dir="{direction}"' in page
    assert ("Many forms are being sent" in page) == (not prefix)
    assert ("Ready. Press the button" in page) == (not prefix)


# --- Corrections, each of which is a signing ---------------------------------------------------

CORRECTION = {
    "name": "Amina Example", "email": "amina@example.net", "residence": "uk",
    "postcode": "M14 5RX", "country": "",
}  # fmt: skip


def page_after_signing(browser: Client, **changes: str) -> str:
    """The address of the page to correct, of somebody who has proved and signed."""
    task = task_in(browser.post(PAGE, typed(**changes)))
    signed = browser.post(PAGE, typed(**changes, altcha=solved(task)))
    return str(signed["Location"]).replace("/check/", "/correct/")


def test_a_correction_requires_a_proof_of_its_own(busy: Petition, browser: Client) -> None:
    path = page_after_signing(browser)

    asked = browser.post(path, CORRECTION)

    assert asked.status_code == 403
    assert 'value="amina@example.net"' in asked.content.decode()
    assert Signature.objects.count() == 1
    proof = solved(task_in(asked))
    assert browser.post(path, {**CORRECTION, "altcha": proof}).status_code == 303
    assert Signature.objects.count() == 2


def test_an_invalid_correction_keeps_its_wait_token(busy: Petition, browser: Client) -> None:
    path = page_after_signing(browser)
    patience = patience_in(browser.post(path, CORRECTION))
    wrong = browser.post(path, {**CORRECTION, "name": "", "patience": patience})
    assert wrong.status_code == 422
    assert patience_in(wrong) == patience


def test_a_suggested_domain_requires_a_proof_with_the_suggestion_filled_in(
    busy: Petition, browser: Client
) -> None:
    path = page_after_signing(browser, email="amina@gmial.com")
    asked = browser.post(f"{path.replace('/correct/', '/check/')}meant/")
    assert asked.status_code == 403
    assert 'value="amina@gmail.com"' in asked.content.decode()
    assert task_in(asked)


def test_the_petition_admin_form_has_a_challenge_field(
    busy: Petition, client: Client, organiser: Any
) -> None:
    client.force_login(organiser)
    page = client.get(f"/admin/petitions/petition/{busy.pk}/change/").content.decode()
    assert re.search(r'<select name="challenge"', page)
