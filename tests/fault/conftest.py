"""Fixtures of fault injection: a site to break, and the table of results."""

from collections.abc import Iterator

import pytest

from tests.fault.harness import TABLE
from tests.fault.provider import Provider
from tests.fault.site import Site

_HEAD = (
    f"{'fault':<52}{'signed':>7}{'confirmed':>10}{'503s':>6}{'broken':>7}"
    f"{'slowest':>9}{'recovery':>10}{'doubled':>8}"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all faults: each must leave it as sound as it was."""
    provider = Provider()
    try:
        with Site(tmp_path_factory.mktemp("site"), provider).start() as running:
            running.wait_until_ready("beat")
            # It opened long before, so that no clock of a test says that it has not yet.
            running.sql("UPDATE petitions_petition SET opens_at = now() - interval '2 days'")
            yield running
    finally:
        provider.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was signed and confirmed during each fault, and what people were shown."""
    if not TABLE:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(_HEAD)
    for row in TABLE:
        terminalreporter.write_line(
            f"{row.fault:<52}{row.signed:>7}{row.confirmed:>10}{row.unavailable:>6}"
            f"{row.broken:>7}{row.slowest:>7.1f} s{row.recovery:>8.1f} s{row.doubled:>8}"
        )
