"""The admin of statements: publish, preview, feature on the front page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path

from campaign import previews, publish_together, publishing
from campaign.models import Statement, StatementText
from petitions.admin.acting import acting, actor
from petitions.admin.base import Titled
from petitions.admin.fields import CarefulForm
from petitions.admin.texts import PublicationAdmin, Sheet, TextInline, shown
from petitions.models import AuditRecord, Petition
from petitions.publishing import changes


class StatementTextInline(TextInline):
    model = StatementText
    fields = ("published_at", "shown", "sure")
    ordering = ("id",)


class StatementForm(CarefulForm[Statement]):
    """The form of a statement. A changed slug has to be confirmed."""

    def refusals(self) -> dict[str, str]:
        return changes.taken_address(self.instance)

    def consequences(self) -> list[str]:
        return changes.consequences(self.instance)


@admin.register(Statement)
class StatementAdmin(Titled, PublicationAdmin):
    when_empty = (
        "You have no statements yet. A statement is a public text that leads to a petition. Add "
        "the petition first, then a statement that leads to it. Both stay drafts until you "
        "publish them together."
    )
    list_display = ("name", "slug", "languages", "is_featured", "leads_to")
    form = StatementForm
    fields = ("slug", "petition", "is_featured", "sure", "seen")
    inlines = (StatementTextInline,)
    actions = ("publish",)

    history_of = (AuditRecord.Action.STATEMENT_PUBLISHED, AuditRecord.Action.TEXTS_SAVED)
    acts_of = (*PublicationAdmin.acts_of, AuditRecord.Action.STATEMENT_RECALLED)

    def can_publish(self, owner: Statement, version: int | None) -> bool:
        return owner.texts.filter(published_at=None).exists()

    def save_texts(
        self, request: HttpRequest, owner: Statement, sheet: Sheet, *, is_publishing: bool
    ) -> None:
        if changed := sheet.changed:
            publishing.save_texts(statement=owner, texts=changed, **acting(request))
            self.message_user(request, "Saved. Nobody was emailed.", messages.SUCCESS)
        if is_publishing:
            with self._front_page_message(request):
                publishing.publish(statement=owner, **acting(request))
            self.message_user(request, "Published. Nobody was emailed.", messages.SUCCESS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        named = Prefetch("petition", Petition.objects.titled())
        rows = Statement.objects.titled().prefetch_related(named, "texts")
        return rows.order_by(*self.get_ordering(request) or ("-pk",))

    @admin.display(description="title", ordering="title")
    def name(self, statement: Statement) -> str:
        return str(statement)

    @admin.display(description="texts")
    def languages(self, statement: Statement) -> str:
        """Return each language, and whether its text is public."""
        return (
            ", ".join(
                f"{text.get_language_display()}{'' if text.is_public else ': ' + shown(text)}"
                for text in statement.texts.all()
            )
            or "none yet"
        )

    @admin.display(description="linked petition")
    def leads_to(self, statement: Statement) -> str:
        return str(statement.petition or "–")

    def view_on_site(self, obj: Statement) -> str | None:
        """Return the URL of the public page, or None for a draft."""
        return obj.get_absolute_url() if obj.texts.published().exists() else None

    @admin.action(permissions=["change"], description="Publish: show all texts to the public")
    def publish(self, request: HttpRequest, statements: QuerySet[Statement]) -> None:
        for statement in statements:
            publishing.publish(statement=statement, **acting(request))
            self.show_embargoes(request, statement)
            if statement.petition and not statement.petition.is_public:
                words = (
                    f"“{statement}” leads to a draft: its readers cannot sign yet. Use “Publish "
                    "together” on its page."
                )
                self.message_user(request, words, messages.WARNING)
        if StatementText.objects.published().filter(statement__in=statements).exists():
            self.message_user(request, "Published. Nobody was emailed.", messages.SUCCESS)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self._front_page_message(request):
            return super().changeform_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self._front_page_message(request):
            return super().changelist_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with self._front_page_message(request):
            return super().delete_view(request, *args, **kwargs)

    @contextmanager
    def _front_page_message(self, request: HttpRequest) -> Iterator[None]:
        """Add a message if the block changes which statement is on the front page."""
        if request.method != "POST":
            yield
            return
        before = StatementText.objects.on_front_page(settings.LANGUAGE_CODE)
        yield
        after = StatementText.objects.on_front_page(settings.LANGUAGE_CODE)
        if _statement(before) != _statement(after):
            words = (
                f"The front page now shows {_in_words(after)}, and no longer {_in_words(before)}."
            )
            self.message_user(request, words, messages.WARNING)

    def save_model(self, request: HttpRequest, obj: Statement, form: Any, change: bool) -> None:
        publishing.save(statement=obj, actor=actor(request))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        statement = form.instance
        if statement.is_featured and not statement.texts.published().exists():
            text = StatementText.objects.on_front_page(settings.LANGUAGE_CODE)
            words = (
                "It goes on the front page once one of its texts is public. Until then the front "
                f"page shows {_in_words(text)}."
            )
            self.message_user(request, words, messages.WARNING)

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> Any:
        """Render the confirmation page, with a warning if deleting changes the front page."""
        statement = context["object"]
        text = StatementText.objects.on_front_page(settings.LANGUAGE_CODE)
        if _statement(text) == statement.pk:
            left = StatementText.objects.on_front_page(settings.LANGUAGE_CODE, without=statement)
            words = (
                "It is on the front page. Once it is deleted, the front page shows "
                f"{_in_words(left)}."
            )
            self.message_user(request, words, messages.WARNING)
        return super().render_delete_form(request, context)

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [
            *previews.urls(site),
            path(
                "<int:pk>/together/",
                site.admin_view(publish_together.view),
                {"site": site},
                name="campaign_statement_together",
            ),
            *super().get_urls(),
        ]


def _statement(text: StatementText | None) -> int | None:
    return text.statement_id if text else None


def _in_words(text: StatementText | None) -> str:
    return f"“{text.title}”" if text else "that nothing is published"
