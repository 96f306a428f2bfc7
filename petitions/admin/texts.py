"""Admin of the translated texts of petitions and statements.

`PublicationAdmin` has the page "Texts", where all languages are written side by side. `TextInline`
has the times from which the texts are public.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language_info

from petitions.admin.acting import need, show_refusals
from petitions.admin.base import WithPages
from petitions.admin.fields import FIELDS, CarefulForm
from petitions.formatting.differences import differences
from petitions.formatting.languages import direction, moment_in_london
from petitions.formatting.sanitising import plain, render_markdown
from petitions.models import AuditRecord, Publication

_SHOWN = 100
_SLUG_HELP = "Letters, digits and hyphens, such as clean-water."
_AT_FIRST = "The texts are written on the next page."
_SLUG_ERROR = "Use only letters, digits and hyphens, such as clean-water."
_WORDS_HELP: dict[str, Any] = {
    "addressee": "As it reads after “A petition to”, such as: the British Government",
    "body": "Markdown: ## Heading, - list, **bold**, [link](https://example.org)",
}
PUBLISHED_HELP = (
    "If you leave it empty, the text is a draft. If you choose a future time (in London), it "
    "appears by itself at that time."
)


def shown(text: Publication) -> str:
    if text.published_at is None:
        return "draft"
    words = "appears" if text.is_embargoed else "public: it appeared"
    return f"{words} {moment_in_london(text.published_at)}"


class TextForm(CarefulForm[Any]):
    """The form of one text. It asks for confirmation before a public text is hidden."""

    def consequences(self) -> list[str]:
        text = self.instance
        before = type(text).objects.filter(pk=text.pk).first() if text.pk else None
        if before is None or not before.is_public or text.is_public:
            return []
        return [
            (
                f"The public can read “{before.title}” ({before.language}) now, and will no longer "
                "see it."
            )
        ]


class TextInline(admin.StackedInline[Any, Any]):
    """Inline for the time from which each text is public. The page "Texts" has the words."""

    form = TextForm
    formfield_overrides = FIELDS
    extra = 0
    verbose_name = "text"
    verbose_name_plural = "when each text is public"
    # The heading of each form has language, version and title.
    readonly_fields = ("shown",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        kwargs["help_texts"] = {"published_at": PUBLISHED_HELP}
        return super().get_formset(request, obj, **kwargs)

    @admin.display(description="to the public")
    def shown(self, text: Publication) -> str:
        return shown(text)


class WordsForm(forms.ModelForm[Any]):
    def clean_body(self) -> str:
        body = str(self.cleaned_data["body"])
        if body and not plain(body):
            raise forms.ValidationError(
                "Readers would see nothing of this. Write the text, or leave it empty."
            )
        return body

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.code = str(self.instance.language)
        self.name = str(get_language_info(self.code)["name"])
        self.direction = direction(self.code)
        self.shown = shown(self.instance) if self.instance.pk else "not written yet"

    def preview(self) -> SafeString:
        """Render the words as typed, saved or not, for the frame of the preview."""
        typed = {name: self[name].value() or "" for name in self.fields}
        context = {
            "code": self.code,
            "direction": self.direction,
            "title": typed["title"],
            "lead": typed.get("ask") or typed.get("summary", ""),
            "body": render_markdown(typed["body"]),
        }
        return render_to_string("admin/texts/preview.html", context)


class Sheet:
    """The forms of a statement's texts, or of one version's of a petition: one per language."""

    def __init__(self, owner: Any, form: type[WordsForm], version: int | None, data: Any) -> None:
        self.version = version
        of_version = {"version": version} if version else {}
        stored = {text.language: text for text in owner.texts.filter(**of_version)}
        self.is_new = not stored
        new = partial(owner.texts.model, **{owner.texts.field.name: owner}, **of_version)
        self.seen = _digest(text.words for text in stored.values())
        self._is_overtaken = data is not None and data.get("seen") not in {None, self.seen}
        self.forms = [
            form(
                data,
                instance=stored.get(code) or new(language=code),
                prefix=code,
                empty_permitted=code not in stored,
                use_required_attribute=False,
            )
            for code, _name in settings.LANGUAGES
        ]
        self.before = {code: text.words for code, text in stored.items()}
        self.errors: list[str] = []

    def is_valid(self) -> bool:
        """Return whether it can be saved. If not, its forms and `errors` say why."""
        # All forms are validated, so that each shows its errors.
        is_right = [form.is_valid() for form in self.forms].count(False) == 0
        if self._is_overtaken:
            self.errors.append(
                "Nothing was saved. Somebody else changed a text in the meantime. What you typed "
                "is below. Copy it, load the page again, and put it into the newer text."
            )
        elif is_right and self.is_new and not self.changed:
            self.errors.append("Nothing was saved. Write the text in at least one language.")
        return is_right and not self.errors

    def add_error(self, field: None, error: str) -> None:
        self.errors.append(error)

    @property
    def changed(self) -> list[Any]:
        """Return the texts that were changed, with their new words."""
        return [form.instance for form in self.forms if form.has_changed()]

    @property
    def missing(self) -> list[str]:
        return [form.name for form in self.forms if not form.instance.pk]

    @property
    def unchanged(self) -> list[str]:
        return [form.name for form in self.forms if form.instance.pk and not form.has_changed()]

    def differences(self) -> Iterator[tuple[WordsForm, str, SafeString]]:
        """Yield each change of a stored text: its form, the field's label and the difference."""
        for form in self.forms:
            if not form.has_changed():
                continue
            before = self.before.get(form.code, {})
            for name, after in form.instance.words.items():
                if change := differences((before.get(name) or "").strip(), after or ""):
                    yield form, str(form.fields[name].label), change

    @property
    def asked(self) -> str:
        """Return a digest of the changed words. An answer is valid only for the same digest."""
        return _digest(text.words for text in self.changed)


def _digest(words: Any) -> str:
    return hashlib.sha256(json.dumps(list(words)).encode()).hexdigest()[:16]


class Entry(NamedTuple):
    """A line of the history: when, who, what, and the difference made by a correction."""

    at: datetime
    who: User | None
    what: str
    changes: Sequence[SafeString] = ()


class PublicationAdmin(WithPages):
    """Base admin for models with texts. After saving, it says when embargoes end."""

    formfield_overrides = FIELDS
    # Actions in the history of the texts.
    history_of: tuple[AuditRecord.Action, ...] = ()
    # Further actions in the object's own history; never those of moderators on signatures.
    acts_of: tuple[AuditRecord.Action, ...] = (
        AuditRecord.Action.ADDED,
        AuditRecord.Action.CHANGED,
        AuditRecord.Action.DRAFT_LINK_MADE,
        AuditRecord.Action.DRAFT_LINK_ENDED,
    )

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the inlines once there are texts. The first is written on the page "Texts"."""
        return self.inlines if obj and obj.texts.exists() else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        """Explain in help text and error which characters a slug may have."""
        slug_help = _SLUG_HELP if obj else f"{_SLUG_HELP} {_AT_FIRST}"
        kwargs["help_texts"] = {"slug": slug_help, **kwargs.get("help_texts", {})}
        kwargs["error_messages"] = {"slug": {"invalid": _SLUG_ERROR}}
        return super().get_form(request, obj, change, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        return [self.route("<int:pk>/texts/", self.texts_view, "texts"), *super().get_urls()]

    def texts_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the forms of the texts in all languages; a POST previews, saves or publishes.

        Signing waits for the petition's row lock. So the page is rendered without it, and the texts
        are validated before it is taken, which renders and caches their HTML.
        """
        text_model = self.model.texts.rel.related_model
        need(request, f"{text_model._meta.app_label}.change_{text_model._meta.model_name}")
        owner = get_object_or_404(self.get_queryset(request), pk=pk)
        sheet, asked = self._sheet(request, owner), None
        if request.POST.get("act") in {"save", "publish"} and sheet.is_valid():
            # If two people save at the same time, the second waits here, and is then refused.
            with transaction.atomic():
                rows = self.get_queryset(request).select_for_update(of=("self",))
                owner = get_object_or_404(rows, pk=pk)
                sheet = self._sheet(request, owner)
                asked = self._save(request, owner, sheet)
            if asked == {}:
                return redirect(request.path)
        context = {**self._texts_context(owner, sheet), **(asked or {})}
        return self.page(request, "admin/texts/texts.html", context)

    def _sheet(self, request: HttpRequest, owner: Any) -> Sheet:
        """Return the forms of the requested version, else of the newest, with the posted data."""
        versions, asked = self.versions(owner), request.GET.get("version", "")
        version = next((one for one in versions if str(one) == asked), next(iter(versions), None))
        typed = request.POST if request.method == "POST" else None
        form = self._form_of_words(request, self.model.texts.rel.related_model)
        return Sheet(owner, form, version, typed)

    def _save(self, request: HttpRequest, owner: Any, sheet: Sheet) -> dict[str, Any] | None:
        """Save a sheet and return {}, or return a question to answer first, or None if refused."""
        if sheet.is_valid():
            with show_refusals(request, sheet.add_error):
                if not (asked := self.question(request, owner, sheet)):
                    is_publishing = request.POST.get("act") == "publish"
                    self.save_texts(request, owner, sheet, is_publishing=is_publishing)
                return asked
        return None

    def _texts_context(self, owner: Any, sheet: Sheet) -> dict[str, Any]:
        versions = self.versions(owner)
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return {
            "title": f"Texts of {owner}",
            "owner": owner,
            "change": reverse(page, args=[owner.pk]),
            "sheet": sheet,
            "version": sheet.version,
            "versions": versions,
            "is_newest": not versions or sheet.version == versions[0],
            "can_publish": self.can_publish(owner, sheet.version),
            "history": self._history(owner),
        }

    def versions(self, owner: Any) -> list[int]:
        """Return the version numbers, the newest first; empty for models without versions."""
        return []

    def question(self, request: HttpRequest, owner: Any, sheet: Sheet) -> dict[str, Any]:
        """Return the context of a question to answer before saving; empty if there is none."""
        return {}

    def save_texts(
        self, request: HttpRequest, owner: Any, sheet: Sheet, *, is_publishing: bool
    ) -> None:
        """Save the changed texts, publish drafts if `is_publishing`, and add messages."""
        raise NotImplementedError

    def can_publish(self, owner: Any, version: int | None) -> bool:
        raise NotImplementedError

    def _form_of_words(self, request: HttpRequest, model: Any) -> type[WordsForm]:
        form = forms.modelform_factory(
            model,
            form=WordsForm,
            fields=model.WORDS,
            formfield_callback=partial(self.formfield_for_dbfield, request=request),
            help_texts=_WORDS_HELP,
        )
        return cast("type[WordsForm]", form)

    def history_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        """Show the history from the audit log, because Django's has only changes by forms."""
        owner = self.get_object(request, object_id)
        history = self._history(owner, *self.acts_of) if owner else []
        return super().history_view(request, object_id, {"history": history})

    def _history(self, owner: Any, *besides: AuditRecord.Action) -> list["Entry"]:
        """Return audit records of `history_of` and `besides`, and corrections of the texts."""
        actions = (*self.history_of, *besides)
        acts = AuditRecord.objects.about(owner).filter(action__in=actions)
        corrections = owner.texts.model.corrections.rel.related_model.objects.filter(
            **{f"text__{owner.texts.field.name}": owner}
        )
        found = []
        for one in acts.select_related("actor")[:_SHOWN]:
            what = ", ".join(filter(None, [one.get_action_display(), one.why]))
            found.append(Entry(one.created_at, one.actor, what))
        for one in corrections.select_related("text", "made_by")[:_SHOWN]:
            what = f"corrected: {one.text}"
            found.append(Entry(one.made_at, one.made_by, what, one.changes()))
        return sorted(found, key=lambda entry: entry.at, reverse=True)[:_SHOWN]

    def response_add(
        self, request: HttpRequest, obj: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        answer = super().response_add(request, obj, *args, **kwargs)
        if {"_addanother", "_popup"} & set(request.POST):
            return answer
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_texts", obj.pk)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        self.show_embargoes(request, form.instance)

    def show_embargoes(self, request: HttpRequest, owner: Any) -> None:
        """Add a message for each text under an embargo, with the time it ends."""
        for text in owner.texts.embargoed().order_by("published_at", "id"):
            words = f"“{text.title}” ({text.language}) {shown(text)}."
            messages.info(request, f"{words} Until then the public does not see it.")
