"""Links that open the reader's own app, with an invitation that never says who signed."""

from dataclasses import dataclass
from urllib.parse import quote

from django import template
from django.template import Context
from django.utils.translation import gettext as _

from petitions.counting import sources
from petitions.models import Petition, PetitionText
from petitions.sharing import heads, oembed

register = template.Library()


@dataclass(frozen=True)
class ShareLink:
    """An app, and the address that opens it with the message written."""

    name: str
    address: str


@register.simple_tag(takes_context=True)
def plain_head(context: Context, title: str, summary: str) -> heads.Head:
    """The head of a page that is about neither a statement nor a petition."""
    return heads.for_page(context["request"].path, title=title, summary=summary)


@register.simple_tag
def petition_address(petition: Petition, channel: str = "") -> str:
    """The absolute address of a petition in the active language, for links of one channel."""
    return sources.address(petition, channel)


@register.simple_tag
def oembed_address(petition: Petition) -> str:
    """Where editors of other sites learn how to show a petition."""
    return oembed.address_about(sources.address(petition))


@register.simple_tag
def invitation(text: PetitionText) -> str:
    """The words that go with the address, for apps that take both apart."""
    return _invitation(text, "")


@register.simple_tag
def share_links(text: PetitionText, petition: Petition) -> list[ShareLink]:
    """One for each app. The server sends nothing. A link holds the app's code, never who shared."""

    def link(channel: str) -> str:
        return _escaped(sources.address(petition, channel))

    def message(channel: str) -> str:
        return _escaped(_invitation(text, sources.address(petition, channel)))

    words, subject = _escaped(_invitation(text, "")), _escaped(text.title)
    return [
        ShareLink("WhatsApp", f"https://wa.me/?text={message('whatsapp')}"),
        ShareLink("Facebook", f"https://www.facebook.com/sharer/sharer.php?u={link('facebook')}"),
        ShareLink("X", f"https://x.com/intent/post?text={message('x')}"),
        ShareLink("Bluesky", f"https://bsky.app/intent/compose?text={message('bluesky')}"),
        ShareLink("Telegram", f"https://t.me/share/url?url={link('telegram')}&text={words}"),
        ShareLink(_("Email"), f"mailto:?subject={subject}&body={message('email')}"),
        # Telephones differ in which of the two signs they want before `body`.
        ShareLink(_("Text message"), f"sms:?&body={message('sms')}"),
    ]


def _invitation(text: PetitionText, address: str) -> str:
    words = _("Read and sign: %(title)s %(address)s") % {"title": text.title, "address": address}
    return words.strip()


def _escaped(words: str) -> str:
    return quote(words, safe="")
