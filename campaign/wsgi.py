"""The WSGI application. It refuses to start with settings that would be unsafe."""

import os

from django.core.wsgi import get_wsgi_application

from campaign.checks import refuse_unsafe_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")

application = get_wsgi_application()
refuse_unsafe_start()
