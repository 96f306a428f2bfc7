"""Admin of signatures: the list (`changelist`), a signature's page (`detail`), and `decide`.

Every change is a `Decision` with a reason.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern

from petitions.admin.base import ReadOnly
from petitions.admin.signatures import changelist, detail
from petitions.models import Signature


@admin.register(Signature)
class SignatureAdmin(ReadOnly):
    when_empty = (
        "Nobody has signed yet. This page will list all signatures, including those that wait "
        "for confirmation."
    )

    def get_urls(self) -> list[URLPattern]:
        reveal = self.route("<path:object_id>/reveal/", self.reveal_view, "reveal")
        return [reveal, *super().get_urls()]

    def reveal_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        return detail.reveal_view(request, object_id, self._render)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return changelist.view(request, self._render)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        return detail.view(request, object_id, self._render)

    def _render(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        return self.page(request, f"admin/petitions/signature/{template}.html", context)
