"""Puts the recorder of calls behind LocalStack's answers, if FONDERIE_CALLS names a file."""

import os
from pathlib import Path

from localstack.runtime import hooks


@hooks.on_infra_start(should_load="FONDERIE_CALLS" in os.environ)
def record_calls() -> None:
    from fonderie_localstack.calls import Recorder
    from localstack.aws.handlers import run_custom_response_handlers

    run_custom_response_handlers.append(Recorder(Path(os.environ["FONDERIE_CALLS"])))
