"""LocalStack's Lambda executor for `provided.*` functions: each one's `bootstrap` as a process of the host.

It takes the place of Docker and of LocalStack's own init process. FONDERIE_FUNCTION_LOG names a file that gets what
CloudWatch Logs gets, function by function: the first thing to read when a test fails.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from fonderie_localstack.runtime_api import Invocation
from fonderie_localstack.sandbox import InitFailed, Sandbox
from fonderie_localstack.settings import further

LOG = logging.getLogger(__name__)
LOG_LIMIT = 1 << 20  # characters of one environment's output that LocalStack can show
_live: set[HostExecutor] = set()


@atexit.register
def _stop_all() -> None:
    for executor in list(_live):
        executor.stop()


class HostExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id=id, function_version=function_version)
        self._sandbox: Sandbox | None = None
        self._environment: dict[str, str] = {}
        self._directory: Path | None = None
        self._log = ""
        self._lock = threading.Lock()
        self._stopped = False

    def start(self, env_vars: dict[str, str]) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix=f"{self.function_version.id.function_name}-"))
        self._environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "HOME": str(self._directory),
            "TMPDIR": str(self._directory),
        }
        self._environment |= {name: str(value) for name, value in env_vars.items() if value is not None}
        self._environment["LAMBDA_TASK_ROOT"] = str(self._code())
        _live.add(self)
        self._open_sandbox()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            sandbox, self._sandbox = self._sandbox, None
        if sandbox:
            sandbox.close()
        _live.discard(self)
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        sandbox = self._sandbox
        if sandbox is None or not sandbox.alive:
            # The last invocation timed out or crashed: Lambda too starts a new process within the next invocation.
            if sandbox is not None:
                sandbox.close()
            sandbox = self._open_sandbox()
        timeout = float(self.function_version.config.timeout)
        request_id = payload["invoke-id"]
        invocation = Invocation(
            request_id=request_id,
            payload=payload["payload"].encode(),
            headers={
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
                "Lambda-Runtime-Trace-Id": payload.get("trace-id") or "",
            },
        )
        started = time.perf_counter()
        sandbox.invoke(invocation, timeout)
        log = self._report(sandbox, invocation, (time.perf_counter() - started) * 1000)
        return InvocationResult(request_id, invocation.body, is_error=invocation.is_error, logs=log)

    def get_logs(self) -> str:
        return self._log

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        # An address, not a name: with an endpoint of this kind the SDKs use path-style S3 addresses by themselves.
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        settings = function_version.config
        if not settings.code or not settings.runtime.startswith("provided"):
            raise LambdaRuntimeException("only zip packages of a `provided.*` runtime can be run as processes of the host")
        settings.code.prepare_for_execution()
        bootstrap = Path(settings.code.get_unzipped_code_location()) / "bootstrap"
        if not os.access(bootstrap, os.X_OK):
            raise LambdaRuntimeException("the zip has no `bootstrap` at its root, or not with mode 0755")

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing was made that LocalStack does not remove."""

    def _code(self) -> Path:
        return Path(self.function_version.config.code.get_unzipped_code_location())

    def _open_sandbox(self) -> Sandbox:
        with self._lock:
            if self._stopped:
                raise LambdaRuntimeException("the environment was stopped")
            environment = self._environment | further(self.function_version.id.function_name)
            try:
                self._sandbox = Sandbox(self._code(), environment, self.function_version.config.memory_size)
            except InitFailed as error:
                LOG.warning("%s did not start: %s", self.function_version.qualified_arn, error)
                self._note(f"did not start: {error}")
                raise StatusErrorException("Environment startup failed", payload=error.document) from error
            return self._sandbox

    def _report(self, sandbox: Sandbox, invocation: Invocation, millis: float) -> str:
        """The invocation's log as CloudWatch Logs shows it."""
        init, sandbox.init_millis = sandbox.init_millis, None
        lines = sandbox.take_log()
        if lines and not lines.endswith("\n"):
            lines += "\n"
        self._log = (self._log + lines)[-LOG_LIMIT:]
        request = f"RequestId: {invocation.request_id}"
        failure = f"{invocation.body.decode('utf-8', 'replace')}\n" if invocation.is_error else ""
        report = (
            f"START {request} Version: {self.function_version.id.qualifier}\n{lines}{failure}END {request}\n"
            f"REPORT {request}\tDuration: {millis:.2f} ms\tBilled Duration: {math.ceil(millis)} ms\t"
            f"Memory Size: {self.function_version.config.memory_size} MB\tMax Memory Used: {sandbox.peak_mib()} MB\t"
            + (f"Init Duration: {init:.2f} ms\t" if init is not None else "")
        )
        self._note(report)
        return report

    def _note(self, text: str) -> None:
        if path := os.environ.get("FONDERIE_FUNCTION_LOG"):
            with open(path, "a", encoding="utf-8") as log:
                log.write(f"==== {self.function_version.id.function_name}\n{text}\n")
