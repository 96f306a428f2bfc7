"""The folder of the image, made once for all tests of it."""

import re
import shlex
from pathlib import Path

import pytest

from tests.deployed import (
    copy,
    image_environment,
    run,
    stages,
)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image has at /app, made by the Dockerfile's own instructions."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    for word, rest in stages()[0]:
        if word == "COPY":
            *sources, target = shlex.split(rest)
            for source in sources:
                copy(source, folder / target)
        if word == "RUN" and re.match(r"pybabel|python manage\.py", rest):
            run(shlex.split(rest), folder, image_environment())
    return folder
