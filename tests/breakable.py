"""The embedded stack for fault injection: its services can be killed, stopped and started again."""

import signal

import psutil

from campaign.local.process import stop, wait_until_gone
from campaign.local.stack import Stack


class BreakableStack(Stack):
    """A `Stack` nobody supervises: what is dead stays dead until it is restarted."""

    def pid(self, name: str) -> int:
        """The PID of a service's first process."""
        return self.children[name].pid

    def processes_of(self, name: str) -> list[int]:
        """The PIDs of a service: the first process, and those that it started."""
        return [self.pid(name), *(each.pid for each in descendants(self.pid(name)))]

    def kill(self, name: str) -> None:
        """SIGKILL a service and all its processes, as a crash would end them."""
        child = self.children.pop(name)
        # PostgreSQL's processes are in groups of their own and notice by themselves.
        below = descendants(child.pid)
        child.kill()
        child.wait()
        if name != "postgres":
            kill(below)
        assert wait_until_gone(below)

    def halt(self, name: str) -> None:
        """Stop a service gracefully."""
        child = self.children.pop(name)
        number = signal.SIGINT if name == "postgres" else signal.SIGTERM
        if child.poll() is None:
            first = psutil.Process(child.pid)
            stop([first, *first.children(recursive=True)], number)
            child.wait()

    def restart(self, *names: str) -> None:
        """Start services again together, and wait until all are ready."""
        for name in names:
            if name in self.children:
                self.halt(name)
        self.spawn(*(self.services[name] for name in names))
        self.wait_until_ready(*names)


def descendants(pid: int) -> list[psutil.Process]:
    """The running processes below one."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL those that still run."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
