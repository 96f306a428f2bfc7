"""Measure the site in a stack of its own: `python -m tests.benchmarks [--quick] [--only NAME]`.

1. Start PostgreSQL, Redis and the mailbox in a temporary folder; load the campaign.
2. Seed signatures, so that nothing is measured on empty tables.
3. Serve the site, the site without its page cache, and the three floors.
4. Take turns, measure and floor, for three rounds each; print one table.
5. Exit with 1 if a target was missed, and say which.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import django
from tqdm import tqdm

from campaign.local.stack import BASE, Stack
from tests.benchmarks.servers import serving
from tests.deployed import shipped_proxy

if TYPE_CHECKING:
    from petitions.models import Petition
    from tests.benchmarks.measures import Bench, Measure

ROUNDS = 3
# Seconds. On a slow or busy machine, measures that come later than this get one round only.
PATIENCE = 330.0
NAMES = (
    "petition", "statement", "cold", "cold-statement", "petition-size", "statement-size",
    "sketch", "post", "attacked", "confirm", "confirm-alone", "hot", "mail", "news", "export",
    "export-supporters", "export-research", "export-by-constituency", "export-xlsx", "export-two",
    "export-deciding", "export-drops", "figures", "cockpit", "lists", "bulk", "bulk-signing",
)  # fmt: skip
# Measured in this process, without a server.
_UNSERVED = frozenset({"figures", "lists", "bulk"})
_FLOORS = "tests.benchmarks.floors"
_SITE = "campaign.wsgi:application"
# The load comes from many networks, by X-Forwarded-For. All rate limits are counted; those that
# would ask everybody for a proof of work are out of reach.
_EVERYBODY_AT_ONCE = {
    "TRUSTED_PROXIES": "127.0.0.0/8",
    "LIMIT_SIGN_PETITION_CHALLENGE": "10000000/minute",
}


def main() -> int:
    options = _options()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="undersigned-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        _say("Starting the stack")
        environment = stack.enter_context(_stack(folder / "stack"))
        # The pace at one provider is no question of speed.
        environment |= {"NEWS_PER_PROVIDER_AND_MINUTE": "1000000"}
        os.environ.update(environment)
        django.setup()
        bench = stack.enter_context(_bench(options, folder, environment))
        measures = _measure(bench, options.only or NAMES, until=started + PATIENCE)
        print(_report(bench, measures, time.monotonic() - started))
    missed = [words for measure in measures for words in measure.missed()]
    for words in missed:
        _say(f"Target missed: {words}")
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, to try it out")
    parser.add_argument("--only", action="append", choices=NAMES, help="may be repeated")
    parser.add_argument("--rows", type=int, help="signatures to seed and export (1,000,000)")
    options = parser.parse_args()
    options.rows = options.rows or (20_000 if options.quick else 1_000_000)
    return options


@contextmanager
def _stack(folder: Path) -> Iterator[dict[str, str]]:
    with Stack(folder, extra=_EVERYBODY_AT_ONCE).start(only=BASE) as stack:
        stack.prepare()
        yield stack.environment


@contextmanager
def _bench(
    options: argparse.Namespace, folder: Path, environment: dict[str, str]
) -> Iterator["Bench"]:
    from petitions.models import Petition
    from tests.benchmarks.measures import Bench, settle_database

    petition = Petition.objects.get()
    seeded = _seed(petition, options.rows)
    settle_database()
    servers = {
        "bare": (f"{_FLOORS}:bare", {}),
        "select_1": (f"{_FLOORS}:select_1", {}),
        "sketch": ("tests.benchmarks.sketch:application", {}),
        "site": (_SITE, {}),
        "cold": (_SITE, {"PAGE_CACHE_SECONDS": "0"}),
    }
    if _UNSERVED.issuperset(options.only or NAMES):
        servers = {}
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(
                serving(application, environment | extra, folder / f"{name}.log")
            )
            for name, (application, extra) in servers.items()
        }
        if servers:
            (folder / "proxy").mkdir()
            site = f"127.0.0.1:{ports['site']}"
            ports["front"] = stack.enter_context(shipped_proxy(site, folder / "proxy"))
        yield Bench(
            petition=petition,
            ports=ports,
            environment=environment,
            rows=options.rows,
            seeded=seeded,
            seconds=1 if options.quick else 4,
            confirmations=400 if options.quick else 2_500,
            mails=100 if options.quick else 500,
        )


def _seed(petition: "Petition", rows: int) -> float:
    """Seed so many signatures, and return the rate a second."""
    from tests.benchmarks import seeding

    started = time.perf_counter()
    with tqdm(total=rows, desc="Seeding", unit=" signatures", disable=None) as bar:
        seeding.seed(petition=petition, total=rows, progress=bar.update)
    return rows / (time.perf_counter() - started)


def _measure(bench: "Bench", names: Sequence[str], until: float) -> list["Measure"]:
    from tests.benchmarks import bulk, cockpit, exports, hot, lists, size
    from tests.benchmarks import measures as site

    known = {
        name: measure
        for module in (site, size, hot, exports, cockpit, lists, bulk)
        for name, measure in module.MEASURES.items()
    }
    # A bulk decision comes last: what it rewrote is vacuumed while others are measured.
    measures = [
        measure
        for name in NAMES
        if name in names
        for measure in (lists.measures(bench) if name == "lists" else [known[name](bench)])
    ]
    with tqdm(total=ROUNDS * len(measures), desc="Measuring", disable=None) as bar:
        for measure in measures:
            for _ in range(ROUNDS):
                if not measure.values or time.monotonic() < until:
                    measure.take_turns()
                bar.update()
    return measures


def _report(bench: "Bench", measures: Sequence["Measure"], seconds: float) -> str:
    from tests.benchmarks.table import table

    cpu = 100 * bench.generator_cpu / bench.generator_seconds if bench.generator_seconds else 0
    lines = (
        table(measures),
        f"Seeding: {bench.seeded:,.0f} signatures a second.",
        f"Medians of {ROUNDS} rounds (of one, where time ran out), least and most in brackets.",
        f"{bench.rows:,} rows stored; {_busy()}.",
        f"All parts share {os.cpu_count()} processors; Python {platform.python_version()}.",
        f"Load generator: our own, in one thread, {cpu:.0f}% of one processor.",
        f"Took {seconds:.0f} s.",
    )
    return "\n".join(lines)


def _busy() -> str:
    """The load average in words: our own load counts too, so it is never zero."""
    return f"load average of the last minute {os.getloadavg()[0]:.1f}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
