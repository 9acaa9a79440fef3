"""Ends LocalStack when its standard input ends, which is when whoever started it does, even if it was killed."""

import os
import signal
import sys
import threading

from localstack.runtime import hooks


@hooks.on_infra_start(should_load=os.environ.get("FONDERIE_END_WITH_STDIN") == "1")
def end_with_stdin() -> None:
    def wait() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="end-with-stdin").start()
