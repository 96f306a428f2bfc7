"""URLs of the public site: its pages, those behind a token, and those that other sites embed."""

from django.urls import path, re_path

from petitions.web.long_pages import NAMES
from petitions.web.views import (
    confirming,
    mail,
    pages,
    petition_pages,
    self_service,
    sharing,
    signing,
)

app_name = "petitions"

urlpatterns = [
    path("petitions/", pages.petitions, name="petitions"),
    path("petitions/<slug:slug>/", signing.petition, name="petition"),
    path("petitions/<slug:slug>/progress/", petition_pages.progress, name="progress"),
    path("petitions/<slug:slug>/names/", petition_pages.names, name="names"),
    path("petitions/<slug:slug>/names/<int:number>/", petition_pages.names, name="names_page"),
    path("petitions/<slug:slug>/history/", petition_pages.history, name="history"),
    path("find/", self_service.find, name="find"),
    path("find/sent/", self_service.find_sent, name="find_sent"),
    path("contact/", pages.contact, name="contact"),
    path("contact/sent/", pages.contact_sent, name="contact_sent"),
    *(path(f"{name}/", pages.long_page, {"name": name}, name=name) for name in NAMES),
]

_confirm, _check = "<str:language>/confirm/<slug:token>/", "<str:language>/check/<slug:token>/"
_mine = "<str:language>/mine/<slug:token>/"
_signature = f"{_mine}<str:reference>/"
# All have the prefix `/t/`, so that one proxy rule keeps them out of its logs. The most requested
# come first. Invalid tokens fall through to `mail.repair_link`.
links = [
    path(_confirm, confirming.confirm, name="confirm"),
    path(f"{_confirm}news/", confirming.choose_news, name="news"),
    path(f"{_confirm}back/", confirming.take_back, name="take_back"),
    path(_check, signing.check_email, name="check_mail"),
    path(f"{_check}again/", signing.send_again, name="ask_again"),
    path(f"{_check}code/", signing.type_code, name="type_code"),
    path(f"{_check}meant/", signing.take_suggestion, name="meant"),
    path("<str:language>/correct/<slug:token>/", signing.correct, name="correct"),
    path("<str:language>/not-me/<slug:token>/", confirming.not_me, name="not_me"),
    path("<str:language>/mail-again/<slug:token>/", self_service.mail_again, name="mail_again"),
    path("<str:language>/no-news/<slug:token>/", mail.no_news, name="no_news"),
    path(_mine, self_service.mine, name="mine"),
    path(f"{_mine}download/", self_service.download, name="download"),
    path(f"{_mine}mail/", self_service.mail, name="mail"),
    path(f"{_signature}name/", self_service.name, name="rename"),
    path(f"{_signature}name-use/", self_service.name_use, name="name_use"),
    path(f"{_signature}updates/", self_service.updates, name="updates"),
    path(f"{_signature}address/", self_service.new_address, name="new_address"),
    path(f"{_signature}address/code/", self_service.address_code, name="address_code"),
    path(f"{_signature}withdraw/", self_service.withdraw, name="withdraw"),
    # Last: every other path, with line breaks too, that a damaged link may have.
    re_path(r"^(?P<rest>[\s\S]*)$", mail.repair_link, name="broken"),
]

shared = [
    path("<slug:slug>.png", sharing.image, name="image"),
    path("<slug:slug>-badge.svg", sharing.badge, name="badge"),
    path("<slug:slug>-poster.pdf", sharing.poster, name="poster"),
    path("<slug:slug>-leaflets.pdf", sharing.leaflets, name="leaflets"),
    path("partner/<slug:code>/", sharing.partner_page, name="partner"),
    path("partner/<slug:code>/<slug:slug>/", sharing.frame, name="frame"),
]
