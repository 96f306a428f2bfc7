"""Exceptions of the stack, with messages for the person who started it."""


class StackError(Exception):
    """The stack cannot start or go on; the message says why and what to do."""


class AlreadyRunning(StackError):
    """Another stack is using the same folder."""


class PortBusy(StackError):
    """Another process listens on the port that the site should have."""


class ChildCrashed(StackError):
    """One of the stack's processes ended by itself; the message ends with its last lines."""
