"""The Django project, and the campaign's own pages."""

from campaign.celery import app as celery_app

__all__ = ["celery_app"]
