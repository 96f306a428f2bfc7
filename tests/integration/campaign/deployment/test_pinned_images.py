"""Third-party images are pinned by digest, and `make images` updates the digests."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployed import ROOT, compose, stages

PINNED = ("docker-compose.yml", "Dockerfile")
BY_DIGEST = r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}"
DIGESTS = {"caddy:2-alpine": "a", "postgres:18": "b", "redis:8": "c", "python:3.13-slim": "d"}


def test_every_third_party_image_is_pinned_by_tag_and_digest() -> None:
    services = compose()["services"].values()
    images = [one["image"] for one in services if "build" not in one]
    images += [
        rest.split(" AS ")[0] for stage in stages() for word, rest in stage if word == "FROM"
    ]
    assert len(images) == 5
    for image in images:
        assert re.fullmatch(BY_DIGEST, image), image


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what `make images` reads, and no Docker."""
    for name in ("Makefile", *PINNED):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    return tmp_path


def renew(checkout: Path, docker: str) -> "subprocess.CompletedProcess[str]":
    """Run `make images` where `docker` is a shell script that answers for a registry."""
    path = checkout / "bin" / "docker"
    path.write_text(f"#!/bin/sh\n{docker}\n")
    path.chmod(0o755)
    return subprocess.run(
        ["make", "images"],
        cwd=checkout,
        env={"PATH": f"{path.parent}:/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_make_images_updates_the_digests_from_the_registry(checkout: Path) -> None:
    cases = "\n".join(
        f"'buildx imagetools inspect {image} '*) printf sha256:; printf '{letter}%.0s' $(seq 64);;"
        for image, letter in DIGESTS.items()
    )
    done = renew(checkout, f'case "$*" in\n{cases}\n*) exit 1;;\nesac')
    assert done.returncode == 0, done.stderr
    for name in PINNED:
        before, after = (folder.joinpath(name).read_text() for folder in (ROOT, checkout))
        for image, letter in DIGESTS.items():
            before = re.sub(rf"{image}@sha256:\w+", f"{image}@sha256:{letter * 64}", before)
        assert after == before


def test_make_images_writes_nothing_if_the_registry_fails(checkout: Path) -> None:
    assert renew(checkout, "exit 1").returncode != 0
    for name in PINNED:
        assert (checkout / name).read_text() == (ROOT / name).read_text()
