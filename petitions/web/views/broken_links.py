"""Links of our mails as mail programs and people break them: with a bracket or a full stop stuck
on, in capitals, or cut off.

What can be mended is redirected to the link that was meant; for the rest there is a page that
offers the other ways. Whether a link has expired or was used, its own view says.
"""

import re

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_safe

from petitions.web.guards import token_is_proof

# What links are made of; anything else, and all behind it, was stuck on.
_OF_A_LINK = re.compile(r"[\w./-]*", re.ASCII)
# "/t/", the language and the kind of link; tokens and references tell capitals apart.
_IN_SMALL_LETTERS = 4


@token_is_proof
@require_safe
def mend(request: HttpRequest, rest: str) -> HttpResponse:
    """Redirect to the link that was meant, or answer 404 with the ways to a new one."""
    meant = mended(request.path_info)
    if meant != request.path_info and _is_known(meant):
        return HttpResponseRedirect(meant)
    return render(request, "petitions/broken_link.html", status=404)


def mended(path: str) -> str:
    """The path without what was stuck on, with its fixed parts in small letters."""
    link = _OF_A_LINK.match(re.sub("/{2,}", "/", path))
    parts = (link[0] if link else "").rstrip("./").split("/")
    parts[:_IN_SMALL_LETTERS] = [part.lower() for part in parts[:_IN_SMALL_LETTERS]]
    return "/".join(parts) + "/"


def _is_known(path: str) -> bool:
    try:
        return resolve(path).func is not mend
    except Resolver404:
        return False
