"""Functions that nobody has called for weeks: Lambda has put their code away, and refuses calls until it is back.

A test asks for it: `<function>.inactive` in FONDERIE_FUNCTION_SETTINGS holds the name of the error with which the next call is
refused. That call takes the file away.
"""

from __future__ import annotations

import os
from pathlib import Path

from localstack.aws.api import CommonServiceException
from localstack.services.lambda_.invocation.lambda_service import LambdaService

MESSAGE = "Lambda is initializing your function. It will be ready to invoke shortly."

# In a network the interface is missing, and Lambda names a gateway that failed.
STATUS = {"ResourceNotReadyException": 502, "ENINotReadyException": 502, "EC2ThrottledException": 502}


def install() -> None:
    """Refuses the next call of each function that is inactive."""
    original = LambdaService.invoke

    def invoke(self, function_name, *args, **kwargs):
        if error := refusal(function_name):
            raise CommonServiceException(error, MESSAGE, STATUS.get(error, 409))
        return original(self, function_name, *args, **kwargs)

    LambdaService.invoke = invoke


def refusal(function: str) -> str | None:
    """The error with which a call is refused, once; None for a function that is ready."""
    folder = os.environ.get("FONDERIE_FUNCTION_SETTINGS")
    if folder is None:
        return None
    path = Path(folder, f"{function}.inactive")
    try:
        error = path.read_text().strip()
        # Of two calls at once one removes the file, and is the one that is refused.
        path.unlink()
    except FileNotFoundError:
        return None
    return error
