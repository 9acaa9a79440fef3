"""One `bootstrap` process behind its own Runtime API: started, invoked, watched, ended.

Where the process fails, the error documents are those of Lambda, because Step Functions retries and catches by them:
`Sandbox.Timedout`, `Runtime.ExitError`, `Runtime.OutOfMemory`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from fonderie_localstack.runtime_api import Invocation, RuntimeApi

POLL = 0.02  # seconds between two looks at the process
INIT_LIMIT = 10.0  # seconds that Lambda gives a process until it asks for work


class InitFailed(Exception):
    """The process did not come to ask for work: Lambda's error document, and what the process wrote."""

    def __init__(self, document: bytes, log: str) -> None:
        super().__init__(f"{document.decode('utf-8', 'replace')}\n{log}")
        self.document = document


def _timed_out(seconds: float) -> dict[str, str]:
    return {"errorType": "Sandbox.Timedout", "errorMessage": f"Error: Task timed out after {seconds:.2f} seconds"}


class Sandbox:
    def __init__(self, code: Path, environment: dict[str, str], memory_mib: int) -> None:
        started = time.perf_counter()
        self._api = RuntimeApi()
        self._memory_kib = memory_mib * 1024
        self._out_of_memory = False
        self._log = bytearray()
        self._log_lock = threading.Lock()
        try:
            self._process = subprocess.Popen(
                [code / "bootstrap"],
                cwd=code,
                env=environment | {"AWS_LAMBDA_RUNTIME_API": self._api.address},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that end() reaches the processes that it started, and no other
            )
        except OSError as error:  # a binary of another architecture, say
            self._api.close()
            document = {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": f"Error: {error}"}
            raise InitFailed(json.dumps(document).encode(), "") from error
        self._reader = threading.Thread(target=self._read_log, daemon=True, name="bootstrap-log")
        self._reader.start()
        self._wait_until_ready()
        self.init_millis: float | None = (time.perf_counter() - started) * 1000

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def invoke(self, invocation: Invocation, timeout: float) -> None:
        """Returns once the invocation is answered: by the process, or in its place where it failed."""
        deadline = time.perf_counter() + timeout
        self._api.submit(invocation)
        while not invocation.answered.wait(POLL):
            if self._memory("VmRSS") > self._memory_kib:
                self._out_of_memory = True
                self.end()
            if not self.alive:
                # The response may have been on its way when the process ended.
                if not invocation.answered.wait(POLL):
                    self._fail(invocation, self._exit_error())
            elif time.perf_counter() >= deadline:
                self.end()
                self._fail(invocation, _timed_out(timeout))

    def end(self) -> None:
        """Kills the process and all that it started. Safe to call twice."""
        if self.alive:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait()

    def close(self) -> None:
        self.end()
        self._api.close()

    def take_log(self) -> str:
        """What the process has written since the last call."""
        if self.alive:
            self._settle()
        else:
            self._reader.join(1)
        with self._log_lock:
            text, self._log = bytes(self._log), bytearray()
        return text.decode("utf-8", "replace")

    def peak_mib(self) -> int:
        return -(-self._memory("VmHWM") // 1024)

    def _wait_until_ready(self) -> None:
        limit = time.perf_counter() + INIT_LIMIT
        while not self._api.ready.wait(POLL) and self.alive and time.perf_counter() < limit:
            pass
        if self._api.ready.is_set():
            document = self._api.init_error
        else:
            document = json.dumps(_timed_out(INIT_LIMIT) if self.alive else self._exit_error()).encode()
        if document is not None:
            self.close()
            raise InitFailed(document, self.take_log())

    def _exit_error(self) -> dict[str, str]:
        code = self._process.wait()
        if self._out_of_memory:
            return {"errorType": "Runtime.OutOfMemory", "errorMessage": "Error: Runtime exited with error: signal: killed"}
        if code == 0:
            reason = "Runtime exited without providing a reason"
        elif code < 0:
            reason = f"Runtime exited with error: signal: {signal.Signals(-code).name}"
        else:
            reason = f"Runtime exited with error: exit status {code}"
        return {"errorType": "Runtime.ExitError", "errorMessage": f"Error: {reason}"}

    @staticmethod
    def _fail(invocation: Invocation, error: dict[str, str]) -> None:
        message = f"RequestId: {invocation.request_id} {error['errorMessage']}"
        invocation.answer(json.dumps(error | {"errorMessage": message}).encode(), True)

    def _memory(self, name: str) -> int:
        """A value of /proc/<pid>/status in KiB; 0 where there is none (the process ended, or this is no Linux)."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) if found else 0

    def _read_log(self) -> None:
        while data := os.read(self._process.stdout.fileno(), 65536):
            with self._log_lock:
                self._log += data
        self._process.stdout.close()

    def _settle(self) -> None:
        """A line written just before the response may still be in the pipe: wait until nothing more comes."""
        size = -1
        for _ in range(20):
            with self._log_lock:
                before, size = size, len(self._log)
            if before == size:
                return
            time.sleep(0.002)
