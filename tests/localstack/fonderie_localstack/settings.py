"""Further environment variables of a function's processes, which a test gives and takes while LocalStack runs.

FONDERIE_FUNCTION_SETTINGS names a folder; `<function>.json` in it holds the variables of the processes that start as long as
it is there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


def further(function: str) -> dict[str, str]:
    folder = os.environ.get("FONDERIE_FUNCTION_SETTINGS")
    if folder is None:
        return {}
    try:
        return json.loads(Path(folder, f"{function}.json").read_text())
    except FileNotFoundError:
        return {}
