"""The WSGI application. It refuses to start with settings that would be unsafe."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

from campaign.checks import refuse_unsafe_start
from campaign.content_type import with_plain_content_type
from campaign.database import timeouts

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")

application = with_plain_content_type(get_wsgi_application())
refuse_unsafe_start()
timeouts.limit("web")
# Each process that takes signatures will need it: loaded now, the first signer does not wait.
import_module("campaign.celery")
