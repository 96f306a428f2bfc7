"""Solve the proof-of-work challenge as a browser does."""

import base64
import json
import re
from html import unescape
from typing import Any

import altcha


def task_in(html: str) -> dict[str, Any]:
    """Read the task that a page asks for."""
    found = re.search(r'data-task="([^"]+)"', html)
    assert found
    return dict(json.loads(unescape(found[1])))


def solved(task: dict[str, Any], **changes: object) -> str:
    """What a browser sends once it has found the counter. `changes` are of the parameters."""
    challenge = altcha.Challenge.from_dict(task)
    solution = altcha.solve_challenge(challenge)
    assert solution
    parameters = {**task["parameters"], **changes}
    return encoded(
        {"challenge": {**task, "parameters": parameters}, "solution": solution.to_dict()}
    )


def encoded(proof: object) -> str:
    """Encode a proof as its form field holds it."""
    return base64.b64encode(json.dumps(proof).encode()).decode()
