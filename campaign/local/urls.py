"""URLconf of the local mailbox. Included only where there is one."""

from django.urls import path

from campaign.local import mailbox

app_name = "mailbox"

urlpatterns = [
    path("", mailbox.messages, name="messages"),
    path("<str:key>/", mailbox.message, name="message"),
    path("<str:key>/html/", mailbox.html, name="html"),
]
