"""The Django project, and the campaign's own pages."""
