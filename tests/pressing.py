"""The buttons of a petition in the admin, as an organiser presses them."""

import html

from django.test import Client

from petitions.models import Petition


def press(client: Client, petition: Petition, name: str, **said: str) -> str:
    """Press a button, with a reason and its tick unless `said` has others; give the page."""
    path = f"/admin/petitions/petition/{petition.pk}/act/{name}/"
    form = {"reason": "It is time.", "sure": "on", **said}
    return html.unescape(client.post(path, form, follow=True).content.decode())
