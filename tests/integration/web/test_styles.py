"""Every class has its style: what is left out of Bootstrap's build, no page asks for."""

import re
from html.parser import HTMLParser
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string

from petitions.models import Petition
from tests.pages import walked

STATIC = Path(settings.BASE_DIR) / "static"
BOOTSTRAP = [
    STATIC / "vendor" / "bootstrap" / f"bootstrap.{kind}css" for kind in ("min.", "rtl.min.")
]
OURS = [STATIC / "css" / name for name in ("site.css", "embed.css")]
# Names without a style. These say what a thing is, in our templates, charts and scripts ...
TELLING = {
    "chart-rows", "chosen", "copy-link", "counted-at", "goal", "home-told", "label", "to-statement",
}  # fmt: skip
# ... and these crispy-forms gives to fields, after their widgets.
WIDGETS = {"emailinput", "longselect", "textarea", "textinput", "tickbox"}
SAID_IN_CSS = re.compile(r"""/\*.*?\*/|url\(.*?\)|"[^"]*\"""", re.DOTALL)


class Classes(HTMLParser):
    """All classes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= set((dict(attrs).get("class") or "").split())


def styled(*sheets: Path) -> set[str]:
    """Every class that a selector names."""
    text = " ".join(SAID_IN_CSS.sub(" ", sheet.read_text()) for sheet in sheets)
    return set(re.findall(r"\.([a-z][\w-]*)", text))


def test_every_css_class_on_a_public_page_is_styled(petition: Petition) -> None:
    classes = {name for _, html in walked(petition, "ar").pages for name in Classes(html).found}
    assert {"btn-danger", "form-select", "is-invalid"} <= classes, "this looks at the wrong pages"
    assert classes - TELLING - WIDGETS <= styled(*BOOTSTRAP, *OURS)
    assert classes >= TELLING | WIDGETS, "names that nothing has any more"


def test_every_css_class_of_the_local_mailbox_is_styled() -> None:
    messages = [{"recipient": "amina@example.org", "key": "1", "subject": "x"}]
    html = render_to_string("local/mailbox.html", {"messages_here": messages})
    assert Classes(html).found <= styled(*BOOTSTRAP, *OURS)


def test_both_bootstrap_builds_have_the_same_classes() -> None:
    left_to_right, right_to_left = BOOTSTRAP
    assert styled(left_to_right) == styled(right_to_left)
    assert left_to_right.read_text() != right_to_left.read_text()


def test_a_bootstrap_class_left_out_of_the_build_is_reported_as_unstyled() -> None:
    """What is not built in is not found, though Bootstrap has it."""
    found = Classes('<nav class="navbar btn"><p class="lead">').found
    assert found - styled(*BOOTSTRAP, *OURS) == {"navbar"}


def test_stacked_combining_marks_of_a_name_are_clipped_beside_other_names() -> None:
    css = "".join(path.read_text() for path in OURS)
    rule = re.search(r"([^{}]*)\{[^}]*overflow: clip;[^}]*\}", css)
    assert rule
    assert {".names li", "main .btn"} <= {
        one.strip().split("*/")[-1].strip() for one in rule[1].split(",")
    }
