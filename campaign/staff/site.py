"""The admin site: log-in with a second factor, a menu by task, and a home that says what waits."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import user_passes_test
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from campaign import health
from campaign.errors import SITE_NAME, error_page
from campaign.staff import passwords, second_factor
from campaign.staff.authentication import LoginForm, with_status
from petitions.admin.acting import password_again
from petitions.staff import second_factor as factors

Extra = dict[str, Any] | None
View = Callable[[HttpRequest, dict[str, Any]], HttpResponse]
# The menu: tasks in the order of a day, and the models that each needs.
MENU: Mapping[str, tuple[str, ...]] = {
    "Check signatures": (
        "petitions.activityminute",
        "petitions.signature",
        "petitions.decision",
        "petitions.alert",
        "petitions.rule",
    ),
    "Write and publish": (
        "petitions.petition",
        "campaign.statement",
        "petitions.milestone",
        "petitions.source",
        "petitions.organisation",
    ),
    "Mail and messages": (
        "petitions.sendercheck",
        "petitions.news",
        "petitions.mail",
        "petitions.enquiry",
    ),
    "Figures and handing over": ("petitions.snapshot", "petitions.export"),
    "Data protection": ("petitions.erasure", "petitions.erasurestop"),
    "People and records": ("auth.user", "petitions.auditrecord"),
}
# Where Django's name of a model is not the team's.
WORDS = {"auth.user": "People", "petitions.auditrecord": "Audit log"}


class StaffSite(AdminSite):
    """The admin, for staff who have given their second factor."""

    site_header = site_title = SITE_NAME
    index_title = "What needs you"
    login_form = LoginForm
    login_template = "admin/login.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Each is deleted on its own page, which says what goes with it.
        self.disable_action("delete_selected")

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and not factors.is_missing(request.user)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().each_context(request),
            "is_without_second_factor": not settings.SECOND_FACTOR_REQUIRED,
            # Before it is given every link of the menu would lead back to it.
            "is_nav_sidebar_enabled": self.has_permission(request),
        }

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # The first tells anybody with an account the address of each draft, as the admin's own
        # links do not; no form uses the second.
        unused = {"view_on_site", "autocomplete"}
        others = [one for one in super().get_urls() if getattr(one, "name", "") not in unused]
        return [
            path("may-upload/", self.may_upload, name="may_upload"),
            path("health/", self.admin_view(health.details), name="health"),
            # Also for those who have not given their second factor yet.
            path("logout/", never_cache(self.logout), name="logout"),
            path("forgotten/", self._open(passwords.forgotten, "New password"), name="forgotten"),
            path(
                "forgotten/sent/", self._open(_sent, "Look in your mailbox"), name="forgotten_sent"
            ),
            path("password/<uidb64>/<token>/", self.set_password, name="password_reset_confirm"),
            path(
                "second-factor/",
                self._logged_in(second_factor.check, "Second factor"),
                name="second_factor",
            ),
            path(
                "second-factor/set-up/",
                self._logged_in(second_factor.set_up, "Set up your second factor"),
                name="second_factor_set_up",
            ),
            path(
                "second-factor/own/",
                self._own(second_factor.own, "Your second factor"),
                name="own_second_factor",
            ),
            path(
                "password-again/",
                self.admin_view(self._open(passwords.password_again, "Your password, please")),
                name="password_again",
            ),
            *others,
        ]

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """The menu by task, with what this person may see; Django's apps are no word of staff's."""
        models = {
            f"{app['app_label']}.{model['object_name'].lower()}": model
            for app in self._build_app_dict(request).values()
            for model in app["models"]
        }
        seen = {name: {**one, "name": WORDS.get(name, one["name"])} for name, one in models.items()}
        menu = dict(MENU)
        if seen.get("petitions.petition", {}).get("view_only"):
            # Whoever cannot write a petition turns its switches.
            menu["Check signatures"] += ("petitions.petition",)
        groups = [
            {"name": task, "models": [seen.pop(name) for name in names if name in seen]}
            for task, names in menu.items()
        ]
        groups.append({"name": "Other", "models": list(seen.values())})
        shown = [group for group in groups if group["models"]]
        # Its templates and those of the sidebar read these two.
        return [{**group, "app_label": "task", "app_url": ""} for group in shown]

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Extra = None) -> Any:
        """There are no pages by app: where links lead to them, the home has the menu."""
        return redirect("admin:index")

    def index(self, request: HttpRequest, extra_context: Extra = None) -> TemplateResponse:
        still = health.sentences()
        return super().index(request, {"still": still, **(extra_context or {})})

    def login(self, request: HttpRequest, extra_context: Extra = None) -> HttpResponse:
        """The log-in form; who gave the password alone is led to the second factor."""
        if super().has_permission(request) and factors.is_missing(request.user):
            after = request.GET.get(REDIRECT_FIELD_NAME, "")
            query = f"?{urlencode({REDIRECT_FIELD_NAME: after})}" if after else ""
            return redirect(reverse("admin:second_factor") + query)
        page = super().login(request, extra_context)
        return with_status(page, _form_of(page))

    def password_change(
        self, request: HttpRequest, extra_context: Extra = None
    ) -> TemplateResponse:
        request.current_app = self.name
        view: Callable[[HttpRequest], Any] = passwords.OwnPasswordView.as_view(
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        page: TemplateResponse = view(request)
        return with_status(page, _form_of(page))

    @method_decorator(never_cache)
    def set_password(self, request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
        """Set a password by a mailed link."""
        view: Callable[..., Any] = passwords.SetPasswordView.as_view(
            extra_context=self.each_context(request)
        )
        page: HttpResponse = view(request, uidb64=uidb64, token=token)
        return page

    def may_upload(self, request: HttpRequest) -> HttpResponse:
        """Subrequest of the proxy before it takes a large body: 204 for staff, 413 for others."""
        if self.has_permission(request):
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return error_page(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def _open(self, view: View, title: str) -> Callable[[HttpRequest], HttpResponse]:
        """A page for everybody: `view` gets the site's context."""

        def page(request: HttpRequest) -> HttpResponse:
            return view(request, {**self.each_context(request), "title": title})

        return never_cache(page)

    def _logged_in(self, view: View, title: str) -> Callable[[HttpRequest], HttpResponse]:
        """A page for staff whose password was right, before their second factor."""
        is_staff = user_passes_test(
            lambda user: user.is_active and user.is_staff,
            login_url=f"/{settings.ADMIN_PATH}login/",
        )
        return is_staff(self._open(view, title))

    def _own(self, view: View, title: str) -> Callable[[HttpRequest], HttpResponse]:
        """A page for who has given both, and the password lately."""
        checked: Any = password_again(self._open(view, title))
        page: Any = self.admin_view(checked)
        return page  # type: ignore[no-any-return]


def _form_of(page: HttpResponse) -> object:
    """The form of a page that is not rendered yet; None for a redirect."""
    return (getattr(page, "context_data", None) or {}).get("form")


def _sent(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    return render(request, "admin/forgotten_sent.html", context)
