"""URLs that contain a token, under one prefix: one proxy rule keeps them out of its logs."""

from django.urls import path

from petitions.web.views import checking, confirming, managing, news, objecting

app_name = "links"

urlpatterns = [
    # First, because it is the most requested.
    path("<str:language>/confirm/<str:token>/", confirming.confirm, name="confirm"),
    path("<str:language>/confirm/<str:token>/news/", news.choose, name="news"),
    path("<str:language>/check/<str:token>/", checking.check_mail, name="check_mail"),
    path("<str:language>/check/<str:token>/again/", checking.ask_again, name="ask_again"),
    path("<str:language>/check/<str:token>/code/", checking.type_code, name="type_code"),
    path("<str:language>/check/<str:token>/meant/", checking.take_suggestion, name="meant"),
    path("<str:language>/correct/<str:token>/", checking.correct, name="correct"),
    path("<str:language>/not-me/<str:token>/", objecting.not_me, name="not_me"),
    path("<str:language>/mail-again/<str:token>/", managing.mail_again, name="mail_again"),
    path("<str:language>/mine/<str:token>/", managing.mine, name="mine"),
    path("<str:language>/mine/<str:token>/download/", managing.download, name="download"),
    path("<str:language>/mine/<str:token>/mail/", managing.mail, name="mail"),
    path("<str:language>/mine/<str:token>/<str:reference>/name/", managing.name, name="rename"),
    path(
        "<str:language>/mine/<str:token>/<str:reference>/name-use/",
        managing.name_use,
        name="name_use",
    ),
    path(
        "<str:language>/mine/<str:token>/<str:reference>/updates/",
        managing.updates,
        name="updates",
    ),
    path(
        "<str:language>/mine/<str:token>/<str:reference>/withdraw/",
        managing.withdraw,
        name="withdraw",
    ),
]
