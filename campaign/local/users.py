"""Drop root for PostgreSQL, which refuses to run as root."""

import os
import pwd
import shutil
import subprocess

# Where there are none: nobody, who may use root's files all the same.
_NOBODY = [
    *("setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"),
]


def is_root() -> bool:
    return os.geteuid() == 0


def nobody() -> int:
    """The UID of the user `nobody`; our own, where we are not root and cannot change it."""
    return pwd.getpwnam("nobody").pw_uid if is_root() else os.geteuid()


def namespace() -> list[str] | None:
    """The prefix that runs a command in a user namespace: not root, but with root's files.

    Root's files look there like those of `nobody`, an account that every machine has: initdb
    looks its user up. None where the kernel or the container forbids namespaces.
    """
    if shutil.which("unshare") is None:
        return None
    prefix = ["unshare", "--user", f"--map-user={pwd.getpwnam('nobody').pw_uid}", "--"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if tried.returncode == 0 else None


def not_root() -> list[str]:
    """How to run a command that refuses to be root, in the files of whoever runs us."""
    return (namespace() or _NOBODY) if is_root() else []
