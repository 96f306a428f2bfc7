"""Patch `time.sleep` for libfaketime; only where the clock tests put this folder on the path.

libfaketime 0.9 fails every sleep of Python 3.11 and newer, which sleeps until a time of the
monotonic clock. `select` waits for as long by a call that it leaves alone.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
