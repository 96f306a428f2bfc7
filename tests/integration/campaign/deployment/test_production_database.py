"""The database as compose starts it: its roles, and what its log holds."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from campaign.local.postgres import not_root
from tests.deployed import (
    PATIENCE,
    POSTGRES,
    ROOT,
    psql,
    run,
    service,
    wait_for,
)


@pytest.fixture(scope="module")
def production_database() -> Iterator[tuple[str, Path]]:
    """A server with the compose file's options, prepared by deploy/database.sql; and its log."""
    # In a short folder, because the path of a socket has at most 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ud-"))
    data, log = folder / "data", folder / "log"
    _, *options = service("db")["command"]
    # PostgreSQL refuses to run as root.
    as_user = not_root()
    initdb = [str(POSTGRES / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
    run([*as_user, *initdb, "--no-sync"], folder, os.environ)
    server = [str(POSTGRES / "postgres"), "-D", str(data), "-k", str(folder)]
    url = f"postgres://postgres@{str(folder).replace('/', '%2F')}/postgres"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*as_user, *server, "-clisten_addresses=", *options], stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "ready to accept connections" in log.read_text(), log)
        program = (ROOT / "deploy" / "database.sql").read_text()
        psql(url, program, "-vON_ERROR_STOP=1", POSTGRES_PASSWORD="a-password-of-the-test")
        yield url, log
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        shutil.rmtree(folder)


def test_the_application_owns_its_database_and_nothing_else(
    production_database: tuple[str, Path],
) -> None:
    url, log = production_database
    roles = psql(
        url,
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolpassword IS NOT NULL"
        " FROM pg_authid WHERE rolname IN ('undersigned', 'postgres') ORDER BY 1",
    )
    assert roles.splitlines() == ["postgres|t|t|t|f", "undersigned|f|f|f|t"]
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'undersigned'"
    assert psql(url, owner) == "undersigned"
    assert "a-password-of-the-test" not in log.read_text()


BAD_STATEMENTS = """
CREATE TABLE signer (home text UNIQUE, slot int NOT NULL);
INSERT INTO signer VALUES ('{canary}', 1);
INSERT INTO signer VALUES ('{canary}', 2);
INSERT INTO signer VALUES ('other {canary}', NULL);
SELECT '{canary}' FROM nowhere;
PREPARE bad AS SELECT $1::int; EXECUTE bad('{canary}');
DROP TABLE signer;
"""


def test_the_database_log_contains_no_user_input(
    production_database: tuple[str, Path],
) -> None:
    superuser, log = production_database
    url = urlsplit(superuser.replace("postgres@", "undersigned@"))._replace(path="/undersigned")
    psql(url.geturl(), BAD_STATEMENTS.format(canary="M14 5RX"))
    assert log.read_text().count("ERROR:") >= 4
    # The type of a bad number quotes it; the application sends no text where numbers stand.
    told = [line for line in log.read_text().splitlines() if "invalid input syntax" not in line]
    assert "M14 5RX" not in "\n".join(told)
    # The same without the options: what is shown here is theirs to hide.
    loose = "SET log_min_error_statement = error; SET log_error_verbosity = default;"
    psql(superuser, loose + BAD_STATEMENTS.format(canary="SW1A 1AA"))
    assert log.read_text().count("SW1A 1AA") > 4


def test_pg_stat_activity_shows_no_statements(
    production_database: tuple[str, Path],
) -> None:
    """Each signing is a statement with a postcode, and stays there until the connection's next."""
    url, _log = production_database
    watched = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%M14 5RX%'"
    assert psql(url, watched) == "0"
    assert psql(url, f"SET track_activities = on; {watched}").splitlines()[-1] == "1"
