"""A process behind its Runtime API, in every way in which it can end: without LocalStack."""

import json
import os
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from fonderie_localstack.runtime_api import Invocation
from fonderie_localstack.sandbox import InitFailed, Sandbox
from fonderie_localstack.settings import further

# A function that does what its event says.
BOOTSTRAP = f"""#!{sys.executable}
import json, os, signal, sys, time, urllib.request
API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
def post(path, document):
    urllib.request.urlopen(urllib.request.Request(API + path, json.dumps(document).encode(), method="POST")).read()
print("starting", flush=True)
if os.environ.get("INIT") == "exit": sys.exit(7)
if os.environ.get("INIT") == "error":
    post("init/error", {{"errorType": "SettingsInvalid", "errorMessage": "BUCKET is missing"}})
    time.sleep(60)
while True:
    answer = urllib.request.urlopen(API + "invocation/next")
    request, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
    print("working on", event, flush=True)
    match event:
        case "exit": sys.exit(3)
        case "leave": sys.exit(0)
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "sleep": time.sleep(60)
        case "grow": kept = bytearray(os.urandom(1 << 20) * 256); time.sleep(60)
        case "fail": post(f"invocation/{{request}}/error", {{"errorType": "ColumnMissing", "errorMessage": "no"}})
        case "flood":
            try: post(f"invocation/{{request}}/response", "x" * (7 << 20))
            except urllib.error.HTTPError: pass
        case _: post(f"invocation/{{request}}/response", {{"echo": event, "memory": os.environ["MEMORY"]}})
"""


class SandboxTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.code = Path(folder.name)
        (self.code / "bootstrap").write_text(BOOTSTRAP)
        (self.code / "bootstrap").chmod(0o755)

    def start(self, **environment: str) -> Sandbox:
        sandbox = Sandbox(self.code, {"PATH": os.environ["PATH"], "MEMORY": "128", **environment}, 128)
        self.addCleanup(sandbox.close)
        return sandbox

    def invoke(self, sandbox: Sandbox, event: str, timeout: float = 20.0) -> tuple[bool, dict]:
        headers = {"Lambda-Runtime-Aws-Request-Id": event}
        invocation = Invocation(request_id=event, payload=json.dumps(event).encode(), headers=headers)
        sandbox.invoke(invocation, timeout)
        return invocation.is_error, json.loads(invocation.body)

    def test_a_process_serves_one_event_after_the_other_and_its_log_is_kept(self) -> None:
        sandbox = self.start()
        for event in ("one", "two"):
            self.assertEqual(self.invoke(sandbox, event), (False, {"echo": event, "memory": "128"}))
        self.assertEqual(sandbox.take_log(), "starting\nworking on one\nworking on two\n")
        self.assertEqual(sandbox.take_log(), "")
        self.assertGreater(sandbox.peak_mib(), 1)

    def test_an_error_of_the_function_keeps_its_type_and_the_process(self) -> None:
        sandbox = self.start()
        self.assertEqual(self.invoke(sandbox, "fail"), (True, {"errorType": "ColumnMissing", "errorMessage": "no"}))
        self.assertFalse(self.invoke(sandbox, "next")[0])

    def test_a_response_past_lambdas_quota_is_an_error(self) -> None:
        failed, error = self.invoke(self.start(), "flood")
        self.assertEqual((failed, error["errorType"]), (True, "Function.ResponseSizeTooLarge"))

    def test_a_process_that_ends_is_an_exit_error(self) -> None:
        for event, message in (
            ("exit", "RequestId: exit Error: Runtime exited with error: exit status 3"),
            ("leave", "RequestId: leave Error: Runtime exited without providing a reason"),
            ("kill", "RequestId: kill Error: Runtime exited with error: signal: SIGKILL"),
        ):
            sandbox = self.start()
            expected = {"errorType": "Runtime.ExitError", "errorMessage": message}
            self.assertEqual(self.invoke(sandbox, event), (True, expected))
            self.assertFalse(sandbox.alive)
            self.assertEqual(sandbox.take_log(), f"starting\nworking on {event}\n")

    def test_a_process_that_takes_too_long_is_killed(self) -> None:
        sandbox = self.start()
        failed, error = self.invoke(sandbox, "sleep", timeout=0.3)
        self.assertEqual((failed, error["errorType"]), (True, "Sandbox.Timedout"))
        self.assertEqual(error["errorMessage"], "RequestId: sleep Error: Task timed out after 0.30 seconds")
        self.assertFalse(sandbox.alive)

    @unittest.skipUnless(sys.platform == "linux", "memory is read from /proc")
    def test_a_process_that_takes_too_much_memory_is_killed(self) -> None:
        sandbox = self.start()
        failed, error = self.invoke(sandbox, "grow")
        self.assertEqual((failed, error["errorType"]), (True, "Runtime.OutOfMemory"))
        self.assertFalse(sandbox.alive)

    def test_a_start_that_fails_says_why(self) -> None:
        for init, error_type in (("exit", "Runtime.ExitError"), ("error", "SettingsInvalid")):
            with self.assertRaises(InitFailed) as caught:
                self.start(INIT=init)
            self.assertEqual(json.loads(caught.exception.document)["errorType"], error_type)
            self.assertIn("starting", str(caught.exception))

    def test_a_binary_that_cannot_be_executed_is_named(self) -> None:
        (self.code / "bootstrap").write_bytes(b"\x7fELF of another machine")
        with self.assertRaises(InitFailed) as caught:
            self.start()
        self.assertEqual(json.loads(caught.exception.document)["errorType"], "Runtime.InvalidEntrypoint")

    def test_a_process_gets_the_further_settings_that_are_there_when_it_starts(self) -> None:
        self.assertEqual(further("load"), {})
        with unittest.mock.patch.dict(os.environ, FONDERIE_FUNCTION_SETTINGS=str(self.code)):
            (self.code / "load.json").write_text('{"MEMORY": "64"}')
            answer = self.invoke(self.start(**further("load")), "go")
            self.assertEqual(answer, (False, {"echo": "go", "memory": "64"}))
            self.assertEqual(further("loader"), {})
            (self.code / "load.json").unlink()
            self.assertEqual(further("load"), {})


if __name__ == "__main__":
    unittest.main()
