"""The WSGI application. It refuses to start with unsafe settings."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

from campaign.checks import refuse_unsafe_start
from campaign.content_type import with_plain_content_type
from campaign.database import timeouts

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")

_django = with_plain_content_type(get_wsgi_application())
from campaign.pagecache import PageCacheMiddleware, fresh_pages_first  # noqa: E402 - it has models

application = fresh_pages_first(_django, PageCacheMiddleware.newest)
refuse_unsafe_start()
timeouts.limit("web")
# Needed to wake the worker. It is loaded now, so that the first signer does not wait for it.
import_module("campaign.celery")
