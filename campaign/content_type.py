"""WSGI middleware that sanitises the Content-Type header before Django parses it.

Django takes a request's encoding from it. If Python knows the encoding but cannot decode text with
it, or it is unknown and in RFC 2231's notation, Django fails before an error page is possible.
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
    """Wrap a WSGI application, so that it sees only each request's media type and boundary."""

    def plain(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = sanitised(environ["CONTENT_TYPE"])
        return application(environ, start_response)

    return plain


def sanitised(value: str) -> str:
    """Return the media type, with its boundary if it is multipart, or "" if it is malformed.

    The charset is dropped, because the site uses only UTF-8. Splitting at semicolons is safe,
    because a boundary cannot contain one.
    """
    kind = value.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        return ""
    if not kind.startswith("multipart/"):
        return kind
    found = _BOUNDARY.findall(value)
    return f'{kind}; boundary="{found[0][1]}"' if len(found) == 1 else ""
