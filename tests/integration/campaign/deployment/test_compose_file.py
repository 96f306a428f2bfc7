"""The compose file: locked down, with no secret, and each part with its own."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deployed import (
    BIN,
    EXAMPLE,
    OURS,
    ROOT,
    THEIRS,
    compose,
    environment_of,
    image_command,
    service,
    start_and_wait,
)


def test_the_compose_file_follows_the_compose_specification() -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    files = ["docker-compose.yml", "deploy/secrets.yml"]
    done = start_and_wait([*command, *files], ROOT, os.environ)
    assert done.returncode == 0, done.stdout


def test_the_compose_file_has_exactly_the_expected_services() -> None:
    assert set(compose()["services"]) == {*OURS, *THEIRS}


@pytest.mark.parametrize("name", [*OURS, *THEIRS])
def test_every_service_has_a_health_check_or_runs_once(name: str) -> None:
    one_shot = [
        condition
        for other in compose()["services"].values()
        if (condition := other.get("depends_on", {}).get(name))
        == {"condition": "service_completed_successfully"}
    ]
    check = service(name).get("healthcheck", {})
    if name == "web":
        assert not check, "the image's own check is made for it"
        assert "/live" in (ROOT / image_command("HEALTHCHECK")[1]).read_text()
    elif one_shot:
        assert check == {"disable": True}
        assert service(name)["restart"] == "no"
    else:
        assert check["test"]


@pytest.mark.parametrize("name", [*OURS, *THEIRS])
def test_every_service_is_locked_down(name: str) -> None:
    told = service(name)
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert "privileged" not in told


def test_only_the_proxy_publishes_ports() -> None:
    published = {name for name, told in compose()["services"].items() if "ports" in told}
    assert published == {"proxy"}
    assert not [name for name, told in compose()["services"].items() if "network_mode" in told]


def test_only_the_proxy_and_the_worker_can_reach_the_internet() -> None:
    networks = compose()["networks"]
    way_out = {
        name
        for name, told in compose()["services"].items()
        if any(not networks[network].get("internal") for network in told["networks"])
    }
    assert way_out == {"proxy", "worker"}
    assert set(service("proxy")["networks"]).isdisjoint(service("worker")["networks"])


def test_our_services_wait_for_the_migration() -> None:
    for name in set(OURS) - {"migrate"}:
        waits = service(name)["depends_on"]["migrate"]
        assert waits == {"condition": "service_completed_successfully"}


def test_the_compose_file_contains_no_secrets() -> None:
    for name, told in compose()["services"].items():
        for key, value in told.get("environment", {}).items():
            if re.search("PASSWORD|KEY|SECRET", key):
                assert value == "" or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), (name, key)
    url = service("web")["environment"]["DATABASE_URL"]
    assert re.fullmatch(
        r"postgres://undersigned:\$\{POSTGRES_PASSWORD:\?[^}]+\}@db:5432/undersigned", url
    )


def test_each_service_gets_only_the_secrets_it_needs() -> None:
    for name in OURS:
        given = environment_of(name)
        assert bool(given["SMTP_PASSWORD"]) == (name == "worker"), name
        assert bool(given["SMTP_USER"]) == (name == "worker"), name
        assert bool(given["DATABASE_URL"]) == ("data" in service(name)["networks"]), name
        assert given["POSTGRES_PASSWORD"] == ""


def test_secret_files_are_mounted_only_for_the_services_that_read_them() -> None:
    told = yaml.safe_load((ROOT / "deploy" / "secrets.yml").read_text())
    assert set(told["services"]) == set(OURS)
    for name, changes in told["services"].items():
        given = changes["environment"]
        for variable, path in given.items():
            setting = variable.removesuffix("_FILE")
            assert re.search(rf"(?m)^{setting}=", EXAMPLE.read_text()), variable
            assert path == f"/run/secrets/{setting.lower()}"
        assert sorted(changes["secrets"]) == sorted(Path(path).name for path in given.values())
        assert ("smtp_password" in changes["secrets"]) == (name == "worker")
    for name, where in told["secrets"].items():
        assert where == {"file": f"deploy/secrets/{name}"}


@pytest.mark.parametrize("path", ["production.env", "secrets/sealing_keys"])
def test_production_settings_and_secrets_are_ignored_by_git(path: str) -> None:
    command = ["git", "check-ignore", "--quiet", f"deploy/{path}"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
