"""The Celery app: worker and beat."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")

app = Celery("undersigned")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Each sweep expires before the next is due, so that none pile up while no worker runs.
app.conf.beat_schedule = {
    "deliver-mail": {
        "task": "petitions.deliver_mail",
        "schedule": 5.0,
        "options": {"expires": 5, "ignore_result": True},
    },
    "keep-no-longer": {
        "task": "petitions.keep_no_longer",
        "schedule": 3600.0,
        "options": {"expires": 3600, "ignore_result": True},
    },
}
