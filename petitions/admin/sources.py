"""Admin of sources (partners and channels), and the table of their counts for a petition."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.postgres.forms import SimpleArrayField
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from petitions.admin.base import Strict
from petitions.counting.sources import ALWAYS_SHOWN, LEAST_SHOWN, counts
from petitions.identity import email_addresses
from petitions.models import Petition, Source
from petitions.models.counts import is_origin

_NO_SITE = (
    "write https:// and the name of the site, nothing after it, such as "
    "https://www.example.org. A site that is reached by http:// alone cannot show the frame."
)


def as_origin(address: str) -> str:
    """Normalise a URL to its web origin: lower-case ASCII, without a trailing slash.

    A URL that is no origin is returned unchanged, for the model to refuse.
    """
    try:
        parts = urlsplit(address.strip())
        port = f":{parts.port}" if parts.port not in {None, 443} else ""
    except ValueError:
        return address
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        return address
    return f"{parts.scheme}://{email_addresses.ascii_domain(parts.hostname)}{port}"


class OriginsField(SimpleArrayField):
    """An array of origins, one per line. Errors name the site, not "Item 1 in the array"."""

    def __init__(self, base_field: forms.Field, **options: Any) -> None:
        options["widget"] = forms.Textarea(attrs={"rows": 4, "dir": "ltr"})
        # Because the default is a callable, Django would compare with a hidden copy in the form.
        options["show_hidden_initial"] = False
        super().__init__(base_field, delimiter="\n", **options)

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        lines = str(value or "").splitlines()
        return [as_origin(line) for line in lines if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the sites differ, ignoring line endings: browsers send CRLF."""
        stored = initial if isinstance(initial, str) else "\n".join(initial or [])
        return self.to_python(stored) != self.to_python(data)

    def validate(self, value: Sequence[str]) -> None:
        super().validate(value)
        wrong = [site for site in value if not is_origin(site)]
        if wrong:
            raise forms.ValidationError([f"{site}: {_NO_SITE}" for site in wrong])


class SourceForm(forms.ModelForm[Source]):
    class Meta:
        model = Source
        fields = ("code", "name", "note", "is_active", "origins")
        field_classes = {"origins": OriginsField}
        help_texts = {
            "origins": (
                "Websites on which the petition may stand in a frame. Write one on each line, "
                "beginning with https:// and without a path, such as https://www.example.org. If "
                "you leave it empty, no website may; links and the badge still work."
            )
        }


@admin.register(Source)
class SourceAdmin(Strict):
    """Admin of sources. Organisers register partners and deactivate those no longer counted."""

    when_empty = "There are no partners or channels yet. Add one to get a link that is counted."
    form = SourceForm
    fields = SourceForm.Meta.fields
    list_display = ("name", "code", "is_active", "is_channel", "note")
    ordering = ("is_channel", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> list[str]:
        """Lock the code, which links contain; of a channel, lock all but `is_active`."""
        if obj is None:
            return []
        return ["code", "name", "note", "origins"] if obj.is_channel else ["code"]

    def has_delete_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        return False

    def view_on_site(self, obj: Source) -> str | None:
        """Return the URL of the partner's embed snippets; None for channels and inactive ones."""
        if obj.is_channel or not obj.is_active:
            return None
        return settings.SITE_URL + reverse("sharing:partner", args=[obj.code])


def channels(petition: Petition) -> SafeString:
    context = {"counts": counts(petition), "least": LEAST_SHOWN, "always": ALWAYS_SHOWN}
    return render_to_string("admin/petitions/petition/_channels.html", context)
