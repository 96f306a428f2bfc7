"""Public pages come from memory: fresh, or stale rather than none, and never what is private."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.utils.http import http_date
from pytest_django import Settings

from campaign.pagecache import PageCacheMiddleware, _scheme, fresh_pages_first
from petitions.web.responses import carries_source

PUBLIC = "public, max-age=0, s-maxage=2"
LONG = "Protect civilians. " * 100
FRESH, LATER, NEXT_WEEK = 1.9, 2.1, 7 * 86_400


class Site:
    """A site of one page, which counts how often it was rendered and by which method."""

    def __init__(self) -> None:
        self.rendered: list[str] = []
        self.body = LONG
        self.status = 200
        self.headers = {"Cache-Control": PUBLIC, "Content-Language": "en"}
        self.change: Callable[[HttpResponse], object] = lambda _response: None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.rendered.append(str(request.method))
        text = f"{len(self.rendered)} {self.body}"
        response = HttpResponse(text, status=self.status, headers=self.headers)
        self.change(response)
        return response


class Clock:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("campaign.pagecache.time.monotonic", clock)
    # The minute never ends during a test, unless the test says so.
    monkeypatch.setattr("campaign.pagecache.seconds_left_of_minute", lambda: 60.0)
    return clock


@pytest.fixture(autouse=True)
def _bounds(settings: Settings) -> None:
    settings.PAGE_CACHE_SECONDS = 2
    settings.PAGE_CACHE_ENTRIES = 500


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def cache(site: Site, clock: Clock) -> PageCacheMiddleware:
    return PageCacheMiddleware(site)


def get(path: str = "/", method: str = "GET", **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestFactory().generic(method, path, headers=named)


class Django:
    """The WSGI application behind the cache. It counts its calls."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(
        self, _environ: dict[str, Any], start_response: Callable[..., object]
    ) -> list[bytes]:
        self.asked += 1
        start_response("200 OK", [])
        return [b"Django"]


def by_wsgi(
    cache: PageCacheMiddleware, request: HttpRequest, django: Django | None = None
) -> tuple[str, dict[str, str], bytes]:
    """Return status, headers and body of the WSGI application's response."""
    said: list[Any] = []
    application = fresh_pages_first(django or Django(), cache)
    body = application(request.META, lambda *started: said.extend(started))
    return said[0], dict(said[1]), b"".join(body)


def number(response: HttpResponse) -> int:
    """Return the number of the rendering in a response."""
    return int(response.content.split()[0])


def test_a_page_is_rendered_once_while_it_is_fresh(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    first = cache(get())
    clock.pass_by(FRESH)
    second = cache(get())

    assert first.content == second.content
    assert len(site.rendered) == 1


def test_an_expired_page_is_rendered_again(cache: PageCacheMiddleware, clock: Clock) -> None:
    cache(get())
    clock.pass_by(LATER)

    assert number(cache(get())) == 2


def test_a_page_expires_with_the_minute_and_the_stale_copy_covers_errors(
    cache: PageCacheMiddleware, clock: Clock, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaign.pagecache.seconds_left_of_minute", lambda: 0.5)
    # Begun in the minute before: it cannot know of a text that appeared while it was rendered.
    site.change = lambda _response: clock.pass_by(0.5)
    cache(get())
    monkeypatch.setattr("campaign.pagecache.seconds_left_of_minute", lambda: 60.0)
    site.status = 503
    assert number(cache(get())) == 1
    assert len(site.rendered) == 2
    site.status = 200
    assert number(cache(get())) == 3


def test_pages_are_cached_by_host_and_path(cache: PageCacheMiddleware) -> None:
    shown = [
        number(cache(get("/", Host="a.example"))),
        number(cache(get("/", Host="b.example"))),
        number(cache(get("/ar/", Host="a.example"))),
        number(cache(get("/", Host="a.example"))),
    ]

    assert shown == [1, 2, 3, 1]


def test_http_and_https_requests_are_cached_separately(
    cache: PageCacheMiddleware, site: Site
) -> None:
    # It must reach the middleware that sends such a reader to https.
    cache(RequestFactory().get("/", secure=True))

    assert number(cache(get())) == 2
    assert number(cache(RequestFactory().get("/", secure=True))) == 1


def test_query_strings_are_ignored_and_do_not_fill_the_cache(cache: PageCacheMiddleware) -> None:
    cache(get())
    shown = {cache(get(f"/?fbclid={i}")).content for i in range(50)}

    assert len(shown) == 1
    assert len(cache.entries) == 1


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The codes that links may carry on."""
    codes = {"mosque", "poster"}
    monkeypatch.setattr("petitions.counting.sources._registered", lambda: frozenset(codes))
    return codes


@pytest.fixture
def carries(site: Site, registered: set[str]) -> None:
    """A page whose links carry on the source that its address names."""
    site.change = carries_source


@pytest.mark.usefixtures("carries")
def test_a_page_with_sources_is_cached_once_for_each_registered_source(
    cache: PageCacheMiddleware,
) -> None:
    asked = ["/", "/?s=mosque", "/?s=poster", "/?s=MOSQUE&fbclid=1", "/?s=unknown", "/?s=", "/"]
    shown = [number(cache(get(path))) for path in asked]
    assert shown == [1, 2, 3, 2, 1, 1, 1]


@pytest.mark.usefixtures("carries")
def test_a_first_request_with_a_source_does_not_fill_the_plain_page(
    cache: PageCacheMiddleware,
) -> None:
    assert [number(cache(get(path))) for path in ("/?s=mosque", "/", "/?s=mosque")] == [1, 2, 1]


@pytest.mark.usefixtures("registered")
def test_a_page_without_sources_is_cached_once_for_every_source(
    cache: PageCacheMiddleware,
) -> None:
    for path in ("/?s=mosque", "/", "/?s=poster", "/?s=unknown"):
        assert number(cache(get(path))) == 1
    assert len(cache.entries) == 1


@pytest.mark.usefixtures("carries")
def test_hostile_sources_do_not_fill_the_cache(cache: PageCacheMiddleware) -> None:
    for code in ("<script>", "%3Cscript%3E", "x" * 33, "a%00", "%FF", "mosque%20", "s=mosque"):
        cache(get(f"/?s={code}"))
    for i in range(50):
        cache(get(f"/?s=made-up-{i}&s=mosque"))
    assert len(cache.entries) <= 2


@pytest.mark.usefixtures("carries")
def test_the_page_of_a_source_expires_like_any_other(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    cache(get("/?s=mosque"))
    clock.pass_by(LATER)
    assert number(cache(get("/?s=mosque"))) == 2
    site.status = 503
    clock.pass_by(LATER)
    assert number(cache(get("/?s=mosque"))) == 2


@pytest.mark.usefixtures("registered")
def test_a_page_that_starts_to_carry_sources_is_cached_by_source_from_then_on(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    # The front page, when its first statement is published.
    cache(get("/"))
    site.change = carries_source
    clock.pass_by(LATER)
    asked = ["/?s=mosque", "/", "/?s=poster", "/?s=mosque", "/"]
    assert [number(cache(get(path))) for path in asked] == [2, 3, 4, 2, 3]


@pytest.mark.usefixtures("carries")
def test_a_page_that_stops_carrying_sources_is_cached_once_from_then_on(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    for path in ("/?s=mosque", "/?s=poster"):
        cache(get(path))
    site.change = lambda _response: None
    clock.pass_by(LATER)
    assert [number(cache(get(path))) for path in ("/?s=mosque", "/", "/?s=poster")] == [3, 3, 3]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_requests_that_change_something_are_not_cached(
    method: str, cache: PageCacheMiddleware, site: Site
) -> None:
    cache(get())

    assert number(cache(get(method=method))) == 2
    assert site.rendered == ["GET", method]
    assert number(cache(get())) == 1


def set_a_cookie(response: HttpResponse) -> None:
    response.set_cookie("session", "secret")


def lose_its_header(response: HttpResponse) -> None:
    del response["Cache-Control"]


def say_private(response: HttpResponse) -> None:
    response["Cache-Control"] = "private"


def say_no_store(response: HttpResponse) -> None:
    response["Cache-Control"] = "no-store"


@pytest.mark.parametrize("change", [set_a_cookie, lose_its_header, say_private, say_no_store])
def test_private_responses_are_never_cached(
    change: Callable[[HttpResponse], object], cache: PageCacheMiddleware, site: Site
) -> None:
    site.change = change

    assert [number(cache(get())), number(cache(get()))] == [1, 2]
    assert not cache.entries


@pytest.mark.parametrize("status", [301, 302, 403, 404, 410, 422, 500, 503])
def test_only_responses_with_status_200_are_cached(
    status: int, cache: PageCacheMiddleware, site: Site
) -> None:
    site.status = status

    assert [cache(get()).status_code, cache(get()).status_code] == [status, status]
    assert len(site.rendered) == 2


def test_a_streaming_response_is_not_cached(clock: Clock) -> None:
    def streams(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(iter([b"a", b"b"]), headers={"Cache-Control": PUBLIC})

    cache = PageCacheMiddleware(streams)  # type: ignore[arg-type]

    assert cache(get()).streaming
    assert not cache.entries


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_answered_with_the_stale_copy(
    status: int, cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    cache(get())
    site.status = status
    clock.pass_by(3600)

    answer = cache(get())

    assert (answer.status_code, number(answer)) == (200, 1)
    site.status = 200
    assert number(cache(get())) == 3


@pytest.mark.parametrize("status", [400, 411, 413, 415])
def test_a_malformed_request_does_not_drop_the_stale_copy(
    cache: PageCacheMiddleware, clock: Clock, site: Site, status: int
) -> None:
    cache(get())
    clock.pass_by(LATER)
    site.status = status
    assert cache(get("/?%00")).status_code == status
    site.status = 503

    assert number(cache(get())) == 1


def test_a_copy_older_than_a_day_is_not_shown_for_an_error(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    cache(get())
    site.status = 503
    clock.pass_by(NEXT_WEEK)

    assert cache(get()).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert not cache.entries


@pytest.fixture
def turns_in_a_second(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """The page says that it becomes wrong after a second, such as one that announces something."""
    monkeypatch.setattr("petitions.web.responses.time.time", lambda: 2_000_000_000.0)
    site.headers["Expires"] = http_date(2_000_000_001)


@pytest.mark.usefixtures("turns_in_a_second")
def test_a_page_with_an_expires_header_is_fresh_only_until_then(
    cache: PageCacheMiddleware, clock: Clock
) -> None:
    cache(get())
    clock.pass_by(0.9)
    assert number(cache(get())) == 1
    clock.pass_by(0.1)
    assert number(cache(get())) == 2


@pytest.mark.usefixtures("turns_in_a_second")
def test_a_page_past_its_expires_header_is_not_served_on_errors(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    cache(get())
    site.status = 503
    clock.pass_by(1)

    assert cache(get()).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert not cache.entries


@pytest.mark.parametrize("status", [302, 403, 404, 410])
def test_a_page_that_is_no_longer_public_is_dropped_from_the_cache(
    status: int, cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    cache(get())
    site.status = status
    clock.pass_by(LATER)

    assert cache(get()).status_code == status
    assert not cache.entries
    # Trouble afterwards must not bring the copy back.
    site.status = 503
    assert cache(get()).status_code == HTTPStatus.SERVICE_UNAVAILABLE


def test_a_page_that_turns_private_is_dropped(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    cache(get())
    site.change = set_a_cookie
    clock.pass_by(LATER)

    assert "session" in cache(get()).cookies
    assert not cache.entries


def test_a_page_can_be_rendered_again_after_an_exception(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    cache(get())
    clock.pass_by(LATER)

    def breaks(_response: HttpResponse) -> None:
        raise RuntimeError

    site.change = breaks
    with pytest.raises(RuntimeError):
        cache(get())
    site.change = lambda _response: None

    assert number(cache(get())) == 3


def test_a_matching_etag_gets_304_without_a_body(cache: PageCacheMiddleware) -> None:
    etag = cache(get())["ETag"]

    answer = cache(get(If_None_Match=f'"other", {etag}'))

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer["ETag"] == etag
    assert answer["Cache-Control"] == PUBLIC
    assert "Content-Type" not in answer


@pytest.mark.parametrize("said", ['"0123"', 'W/"0123"', "", "garbage"])
def test_a_different_etag_gets_the_whole_page(said: str, cache: PageCacheMiddleware) -> None:
    assert cache(get(If_None_Match=said)).status_code == HTTPStatus.OK


def test_the_etag_changes_only_with_the_content(
    cache: PageCacheMiddleware, clock: Clock, site: Site
) -> None:
    first = cache(get())["ETag"]
    clock.pass_by(LATER)
    second = cache(get())["ETag"]

    assert first != second
    assert cache(get(Accept_Encoding="gzip"))["ETag"] == second


def test_pages_are_compressed_for_clients_that_accept_gzip(cache: PageCacheMiddleware) -> None:
    plain, packed = cache(get()), cache(get(Accept_Encoding="br, gzip"))

    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content)
    assert "Content-Encoding" not in plain
    assert plain["Vary"] == packed["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepts", ["", "br", "identity", "gzip;q=0", "gzip; q=0.0, br"])
def test_clients_that_do_not_accept_gzip_get_uncompressed_content(
    accepts: str, cache: PageCacheMiddleware
) -> None:
    assert "Content-Encoding" not in cache(get(Accept_Encoding=accepts))


def test_a_short_answer_is_not_compressed(cache: PageCacheMiddleware, site: Site) -> None:
    site.body = "short"

    assert "Content-Encoding" not in cache(get(Accept_Encoding="gzip"))


def test_head_returns_the_headers_of_get_without_the_body(cache: PageCacheMiddleware) -> None:
    whole, head = cache(get()), cache(get(method="HEAD"))

    assert head.content == b""
    assert dict(head.items()) == dict(whole.items())


def test_a_first_head_request_caches_the_whole_page(cache: PageCacheMiddleware, site: Site) -> None:
    request = get(method="HEAD")
    assert cache(request).content == b""

    assert request.method == "HEAD"
    assert cache(get()).content.endswith(LONG.encode())
    assert site.rendered == ["GET"]


def test_page_headers_are_kept_except_etag_length_and_vary(
    cache: PageCacheMiddleware, site: Site
) -> None:
    site.headers |= {"etag": '"own"', "content-length": "7", "vary": "Cookie"}
    cache(get())

    answer = cache(get())

    assert answer["Content-Language"] == "en"
    assert answer["ETag"].startswith('W/"')
    assert int(answer["Content-Length"]) == len(answer.content)
    assert answer["Vary"] == "Accept-Encoding"


def test_changing_one_response_does_not_change_the_cached_page(cache: PageCacheMiddleware) -> None:
    first = cache(get())
    first["X-Request-Id"] = "Amina's"
    first.set_cookie("session", "Amina's")

    second = cache(get())
    assert "X-Request-Id" not in second
    assert not second.cookies


def test_the_number_of_cached_pages_is_bounded(
    cache: PageCacheMiddleware, settings: Settings
) -> None:
    settings.PAGE_CACHE_ENTRIES = 3
    for path in ("/1", "/2", "/3", "/4", "/5"):
        cache(get(path))

    assert [path for _scheme, _host, path, _source in cache.entries] == ["/3", "/4", "/5"]


class Gate:
    """Holds a rendering in another thread until the test lets it go on."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, _response: HttpResponse) -> None:
        self.entered.set()
        assert self.opened.wait(10)


@pytest.fixture
def gate(site: Site) -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def in_thread(cache: PageCacheMiddleware, answers: list[int]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(number(cache(get()))))
    thread.start()
    return thread


def test_other_requests_get_the_stale_copy_while_one_renders(
    cache: PageCacheMiddleware, clock: Clock, site: Site, gate: Gate
) -> None:
    cache(get())
    clock.pass_by(LATER)
    answers: list[int] = []
    site.change = gate
    renders = in_thread(cache, answers)
    assert gate.entered.wait(10)

    # The other request neither waits for the rendering nor starts one of its own.
    assert number(cache(get())) == 1
    assert len(site.rendered) == 2

    gate.opened.set()
    renders.join(10)
    assert answers == [2]
    assert number(cache(get())) == 2


def test_requests_for_a_too_old_page_wait_for_a_single_rendering(
    cache: PageCacheMiddleware, clock: Clock, site: Site, gate: Gate
) -> None:
    cache(get())
    clock.pass_by(NEXT_WEEK)
    answers: list[int] = []
    site.change = gate
    first = in_thread(cache, answers)
    assert gate.entered.wait(10)
    second = in_thread(cache, answers)
    second.join(0.2)
    assert second.is_alive()

    gate.opened.set()
    first.join(10)
    second.join(10)

    assert answers == [2, 2]
    assert len(site.rendered) == 2


@pytest.mark.usefixtures("turns_in_a_second")
def test_a_page_past_its_expires_header_is_not_served_while_it_is_rendered(
    cache: PageCacheMiddleware, clock: Clock, site: Site, gate: Gate
) -> None:
    cache(get())
    clock.pass_by(1)
    answers: list[int] = []
    site.change = gate
    first = in_thread(cache, answers)
    assert gate.entered.wait(10)
    del site.headers["Expires"]
    second = in_thread(cache, answers)
    second.join(0.2)
    assert second.is_alive()

    gate.opened.set()
    first.join(10)
    second.join(10)

    assert 1 not in answers


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("GET", {"Accept_Encoding": "gzip"}),
        ("HEAD", {"Accept_Encoding": "gzip"}),
        ("GET", {"If_None_Match": "etag"}),
    ],
)
def test_the_wsgi_cache_answers_a_fresh_page_like_the_middleware(
    method: str, headers: dict[str, str], cache: PageCacheMiddleware
) -> None:
    etag = cache(get())["ETag"]
    headers = {name: said.replace("etag", etag) for name, said in headers.items()}
    request, django = get(method=method, **headers), Django()

    status, shown, body = by_wsgi(cache, request, django)

    response = cache(request)
    assert django.asked == 0
    assert status == f"{response.status_code} {response.reason_phrase}"
    assert (shown, body) == (dict(response.items()), response.content)


def test_requests_without_a_fresh_page_reach_django(
    cache: PageCacheMiddleware, clock: Clock
) -> None:
    django = Django()
    by_wsgi(cache, get(), django)
    cache(get())
    by_wsgi(cache, get(method="POST"), django)
    by_wsgi(cache, get(Host="another.example"), django)
    clock.pass_by(LATER)
    by_wsgi(cache, get(), django)

    assert django.asked == 4


def test_changing_one_wsgi_response_does_not_change_the_cached_headers(
    cache: PageCacheMiddleware,
) -> None:
    cache(get())
    application = fresh_pages_first(Django(), cache)
    application(get().META, lambda _status, headers: headers.append(("X-Request-Id", "Amina's")))

    assert "X-Request-Id" not in by_wsgi(cache, get())[1]


@pytest.mark.usefixtures("carries")
def test_the_wsgi_cache_answers_a_page_with_sources_only_without_a_source(
    cache: PageCacheMiddleware,
) -> None:
    django = Django()
    assert [number(cache(get(path))) for path in ("/", "/?s=mosque")] == [1, 2]

    assert by_wsgi(cache, get("/"), django)[2].startswith(b"1 ")
    by_wsgi(cache, get("/?s=mosque"), django)
    assert django.asked == 1


@pytest.mark.parametrize(
    "said", [None, "https", "http", "https,http", " https , http", "HTTPS", ""]
)
@pytest.mark.parametrize("is_secure", [False, True])
def test_the_scheme_is_the_one_that_django_sees(said: str | None, is_secure: bool) -> None:
    headers = {} if said is None else {"X-Forwarded-Proto": said}
    request = RequestFactory().get("/", secure=is_secure, headers=headers)

    assert _scheme(request.META) == request.scheme
