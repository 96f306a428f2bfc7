"""Content types reduced to what the site reads, before anything else looks at them.

Django takes a request's encoding from here: with one that Python knows but cannot decode text
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
    """The application, told of each request's type and boundary and of nothing else there."""

    def plain(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "CONTENT_TYPE" in environ:
            environ["CONTENT_TYPE"] = reduced(environ["CONTENT_TYPE"])
        return application(environ, start_response)

    return plain


def reduced(value: str) -> str:
    """The type, and a multipart type's boundary; empty if it has none or cannot be read.

    UTF-8 is what the site speaks, so a charset has nothing to say. Nothing here is split at a
    semicolon wrongly: a boundary may hold none.
    """
    kind = value.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        return ""
    if not kind.startswith("multipart/"):
        return kind
    found = _BOUNDARY.findall(value)
    return f'{kind}; boundary="{found[0][1]}"' if len(found) == 1 else ""
