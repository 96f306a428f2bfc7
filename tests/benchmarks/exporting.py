"""One export in a process of its own, as `manage.py export_signatures` runs it.

    python -m tests.benchmarks.exporting SLUG [PURPOSE] [csv|xlsx]

Discards the file, and writes one JSON line to standard output: rows, the signatures that it is of,
bytes, seconds to the first byte and to the last, and peak memory before and after, in MB.
"""

import json
import resource
import sys
import time
from pathlib import Path

import django


def main(slug: str, purpose: str = "hand-in", file_format: str = "csv") -> None:
    django.setup()
    from petitions.counting import tallies
    from petitions.handover import exports
    from petitions.models import Export, Petition

    petition = Petition.objects.get(slug=slug)
    signatures = tallies.total(petition.pk)
    chosen = Export(
        petition=petition, purpose=purpose, file_format=file_format, why="measuring the export"
    )
    before = _peak_memory()
    started = time.perf_counter()
    export = exports.start(export=chosen, actor=None, screen="test")
    first_byte, size = 0.0, 0
    for chunk in exports.stream(export):
        # The header alone is no data: the first rows count.
        first_byte = first_byte or (size and time.perf_counter() - started)
        size += len(chunk)
    seconds = time.perf_counter() - started
    print(
        json.dumps(
            {
                "rows": export.rows,
                "signatures": signatures,
                "bytes": size,
                "first_byte": first_byte,
                "seconds": seconds,
                "memory_before": before,
                "memory": _peak_memory(),
            }
        )
    )


def _peak_memory() -> float:
    """Peak resident memory in MB. Linux's `ru_maxrss` includes the parent's before the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) / 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_048_576


if __name__ == "__main__":
    main(*sys.argv[1:])
