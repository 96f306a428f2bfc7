"""WSGI middleware that sanitises the Content-Type header before Django parses it.

Django takes a request's encoding from it: with one that Python knows but cannot decode text
with, or an unknown one in RFC 2231's notation, it fails where no error page is possible yet.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
# RFC 2046, 5.1.1; quoted or not.
_BOUNDARY = re.compile(
    r""";\s*boundary\s*=\s*("?)([\w'()+,./:=? -]{0,69}[\w'()+,./:=?-])\1\s*(?=;|\Z)""",
    re.IGNORECASE | re.ASCII,
)


def with_plain_content_type(application: Application) -> Application:
    """Wrap a WSGI application: it sees each request's media type and boundary alone."""

    def plain(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = reduced(environ["CONTENT_TYPE"])
        return application(environ, start_response)

    return plain


def reduced(value: str) -> str:
    """The media type, and a multipart type's boundary; empty if it has none or cannot be parsed.

    The site is UTF-8 throughout, so the charset is dropped. Splitting at semicolons is safe: a
    boundary may hold none.
    """
    kind = value.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        return ""
    if not kind.startswith("multipart/"):
        return kind
    found = _BOUNDARY.findall(value)
    return f'{kind}; boundary="{found[0][1]}"' if len(found) == 1 else ""
