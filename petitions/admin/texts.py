"""Admin of translated texts with scheduled publication, for petitions and statements."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from petitions.admin.fields import FIELDS, CarefulForm
from petitions.formatting.languages import moment_in_london
from petitions.models import Publication

PUBLISHED_HELP = _("Empty: a draft. A time to come, London time: it appears then by itself.")


def shown(text: Publication) -> str:
    """The publication status of a text, in words."""
    if text.published_at is None:
        return str(_("draft"))
    words = (
        _("appears %(moment)s") if text.is_embargoed else _("public since it appeared %(moment)s")
    )
    return words % {"moment": moment_in_london(text.published_at)}


class TextForm(CarefulForm[Any]):
    """The form of one text; hiding what the public reads is asked about once more."""

    def consequences(self) -> list[str]:
        text = self.instance
        before = type(text).objects.filter(pk=text.pk).first() if text.pk else None
        if before is None or not before.is_public or text.is_public:
            return []
        return [f"The public reads “{before.title}” ({before.language}) now, and loses it."]


class TextInline(admin.StackedInline[Any, Any]):
    """Inline for the texts in each language."""

    form = TextForm
    formfield_overrides = FIELDS
    extra = 0
    readonly_fields = ("shown",)

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One empty form if there is no text yet."""
        return 0 if obj and obj.texts.exists() else 1

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        kwargs["help_texts"] = {"published_at": PUBLISHED_HELP}
        return super().get_formset(request, obj, **kwargs)

    @admin.display(description=_("to the public"))
    def shown(self, text: Publication) -> str:
        return shown(text)


class PublicationAdmin(admin.ModelAdmin[Any]):
    """Base admin for models with texts; after saving it tells when embargoes end."""

    formfield_overrides = FIELDS

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        self.tell_when(request, form.instance)

    def tell_when(self, request: HttpRequest, owner: Any) -> None:
        """Add a message for each text under an embargo, with the time it ends."""
        words = _("“%(title)s” (%(language)s) %(appears)s. Until then the public does not see it.")
        for text in owner.texts.embargoed().order_by("published_at", "id"):
            said = {"title": text.title, "language": text.language, "appears": shown(text)}
            self.message_user(request, words % said, messages.INFO)
