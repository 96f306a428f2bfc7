"""The guard: a watchdog that stops the stack's processes when their starter has died.

    python -m campaign.local.guard

It reads from a pipe whose other end the starter alone holds: "+" and a process that was
started, "-" and the PID of one that has gone. The pipe ends when the starter does, in
whatever way; processes still known then are stopped in order. It is a process and not
`PR_SET_PDEATHSIG`, because that is lost under `unshare`, which PostgreSQL needs as root,
and knows no order.
"""

import signal
import sys

from campaign.local.process import Process, stop


def main() -> None:
    """Record processes until the end of the pipe, then stop those that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    known: dict[int, Process] = {}
    for line in sys.stdin:
        if line.startswith("+"):
            if process := Process.from_json(line[1:]):
                known[process.pid] = process
        else:
            known.pop(int(line[1:]), None)
    stop(known.values())


if __name__ == "__main__":
    main()
