"""HTTP responses shared by several views."""

from http import HTTPStatus

from django.http import HttpResponse
from django.urls import reverse


class SeeOther(HttpResponse):
    """303 See Other: redirect to a GET, whatever the method of this request (POST/redirect/GET).

    For paths that we built; Django's own redirects would quote and parse them again.
    """

    status_code = HTTPStatus.SEE_OTHER

    def __init__(self, path: str) -> None:
        super().__init__(headers={"Location": path})

    @property
    def url(self) -> str:
        """The target of the redirect."""
        return self.headers["Location"]


def check_path(language: str, token: str) -> str:
    """The path of the page "check your email" for a token."""
    return reverse("links:check_mail", args=[language, token])
