"""What is in the image, and what is not."""

import shlex
from pathlib import Path

from tests.deployed import (
    dockerignore,
    stages,
)


def test_the_build_context_contains_only_what_the_dockerfile_copies() -> None:
    assert dockerignore()[0] == "*"
    let_in = {line[1:] for line in dockerignore() if line.startswith("!")}
    copied = {
        source for word, rest in stages()[0] if word == "COPY" for source in shlex.split(rest)[:-1]
    }
    assert let_in == copied


def test_the_image_excludes_the_local_stack_and_env_files(app: Path) -> None:
    assert (app / "campaign" / "content").is_dir()
    assert not (app / "campaign" / "local").exists()
    assert not list(app.rglob("*.env*"))


def test_the_image_runs_as_an_unprivileged_user() -> None:
    (user,) = [rest for word, rest in stages()[-1] if word == "USER"]
    assert int(user.split(":")[0]) >= 10_000
    assert stages()[-1][-1][0] == "CMD"


def test_the_image_installs_hashed_wheels_only() -> None:
    (install,) = [rest for word, rest in stages()[0] if word == "RUN" and " install" in rest]
    for option in ("--require-hashes", "--only-binary :all:", "requirements/production.txt"):
        assert option in install


def test_every_language_is_compiled_into_the_image(app: Path) -> None:
    compiled = {path.relative_to(app).as_posix() for path in app.rglob("*.mo")}
    assert compiled >= {f"locale/{language}/LC_MESSAGES/django.mo" for language in ("ar", "cy")}
