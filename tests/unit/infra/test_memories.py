"""No test starts with in-process caches that another test has filled."""

import sys
from typing import Any

from petitions.crypto import vault
from petitions.infra import client_network
from petitions.mail import outbox
from petitions.models import Organisation
from petitions.publishing import organisation
from petitions.web.views import confirming, throttling
from tests.memories import UNCHANGING, invalidate_all, memories


def test_invalidate_functions_lru_caches_and_ttl_caches_are_all_found() -> None:
    assert {client_network.__name__, confirming.__name__} <= sys.modules.keys()
    assert memories().keys() >= {
        "petitions.publishing.organisation.invalidate",
        "petitions.publishing.warm_cache.invalidate",
        "petitions.infra.client_network._warn_once",
        "petitions.crypto.vault._link_key",
        "petitions.web.views.throttling._pages",
    }
    assert not memories().keys() & UNCHANGING


def test_changing_a_key_setting_clears_the_cache_of_derived_keys(settings: Any) -> None:
    for name in ("INDEX_KEYS", "LINK_KEYS", "SEALING_KEYS", "SECRET_KEY"):
        vault._link_key(b"m" * 32, "a purpose")
        setattr(settings, name, getattr(settings, name))
        assert vault._link_key.cache_info().currsize == 0, name


def test_invalidating_all_caches_leaves_none_filled() -> None:
    organisation._known.get_or_set(None, 60, lambda: Organisation(id=1))
    throttling._pages.get_or_set("en", 60, lambda: "a page")
    vault._link_key(b"m" * 32, "a purpose")
    throttle = outbox._throttle

    invalidate_all()

    assert organisation._known.stale(None) is None
    assert throttling._pages.stale("en") is None
    assert vault._link_key.cache_info().currsize == 0
    assert outbox._throttle is not throttle
