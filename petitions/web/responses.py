"""Responses that several views give."""

from http import HTTPStatus

from django.http import HttpResponse
from django.urls import reverse


class SeeOther(HttpResponse):
    """303 See Other: go and GET another page, whatever this one was asked with.

    For paths that we made; Django's own redirects would quote and parse them again.
    """

    status_code = HTTPStatus.SEE_OTHER

    def __init__(self, path: str) -> None:
        super().__init__(headers={"Location": path})

    @property
    def url(self) -> str:
        """Where to go."""
        return self.headers["Location"]


def check_path(language: str, token: str) -> str:
    """The path of "check your e-mail"."""
    return reverse("links:check_mail", args=[language, token])
