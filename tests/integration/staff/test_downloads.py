"""Streamed downloads: few at the same time, and none for a client that reads nothing."""

import socket
import uuid
from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from petitions.admin import downloads
from petitions.handover.exports import LOOKS_AN_HOUR
from petitions.models import AuditRecord, Export, Petition
from tests.people import sign_and_confirm

HAND_IN = "/admin/petitions/export/new/hand-in/"
PERSON = "/admin/petitions/export/new/person/"
AUDIT = "/admin/petitions/auditrecord/csv/"
OTHERS = "Other downloads are running"


def export(client: Client, petition: Petition, **environment: Any) -> Any:
    form = {"number": uuid.uuid4(), "petition": petition.pk, "file_format": "csv", "why": "Asked"}
    return client.post(HAND_IN, form, **environment)


def test_concurrent_downloads_leave_threads_to_signers(
    petition: Petition, organiser: User, client: Client, admin_client: Client
) -> None:
    """Regression test: eight downloads that nobody read occupied all threads."""
    sign_and_confirm(petition)
    client.force_login(organiser)
    begun = [export(client, petition).streaming_content for _ in range(downloads.SLOTS)]
    assert all(next(one) for one in begun)

    refused = export(client, petition)
    assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert OTHERS in refused.content.decode()
    assert Export.objects.count() == downloads.SLOTS
    assert OTHERS in admin_client.get(AUDIT, follow=True).content.decode()
    assert not AuditRecord.objects.filter(action="records-exported").exists()

    b"".join(begun[0])
    assert export(client, petition).getvalue(), "one that was read to its end is over"
    b"".join(begun[1])


def test_a_download_refused_for_another_reason_releases_its_slot(
    petition: Petition, organiser: User, client: Client
) -> None:
    client.force_login(organiser)
    form = {"address": "a@example.org", "proof": "Letter", "why": "Asked", "file_format": "csv"}
    answers = []
    for _ in range(LOOKS_AN_HOUR + 2 * downloads.SLOTS):
        answer = client.post(PERSON, {**form, "number": uuid.uuid4()})
        answers.append((answer.status_code, OTHERS in answer.getvalue().decode()))
    assert answers[:LOOKS_AN_HOUR] == [(HTTPStatus.OK, False)] * LOOKS_AN_HOUR
    assert set(answers[LOOKS_AN_HOUR:]) == {(HTTPStatus.TOO_MANY_REQUESTS, False)}
    assert export(client, petition).getvalue()


def test_a_client_that_reads_nothing_is_disconnected(
    petition: Petition, organiser: User, client: Client
) -> None:
    """gunicorn's socket has no timeout of its own."""
    sign_and_confirm(petition)
    client.force_login(organiser)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(None)
        export(client, petition, **{"gunicorn.socket": ours}).getvalue()
        assert ours.gettimeout() == downloads.PATIENCE
