"""The Lambda Runtime API (2018-06-01) for one process: what `http://$AWS_LAMBDA_RUNTIME_API/` is inside Lambda.

It knows nothing of LocalStack. One server lives as long as one process, so a late answer of a process that was given up
can never be taken for the answer of its successor.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = "/2018-06-01/runtime"
RESPONSE_LIMIT = 6 * 1024 * 1024 + 100  # Lambda's quota for a synchronous response, in bytes


@dataclass
class Invocation:
    """One event, and in the end its answer."""

    request_id: str
    payload: bytes
    headers: dict[str, str]
    answered: threading.Event = field(default_factory=threading.Event)
    body: bytes = b""
    is_error: bool = False

    def answer(self, body: bytes, is_error: bool) -> None:
        """The first answer counts: a process may respond in the moment in which it is given up."""
        if not self.answered.is_set():
            self.body, self.is_error = body, is_error
            self.answered.set()


class RuntimeApi:
    def __init__(self) -> None:
        self.ready = threading.Event()  # the process asked for work, or said that it cannot start
        self.init_error: bytes | None = None
        self._events: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._current: Invocation | None = None
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="runtime-api").start()

    def submit(self, invocation: Invocation) -> None:
        self._events.put(invocation)

    def close(self) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next(self) -> Invocation | None:
        """The next event, or None once the API is closed. Blocks, as the real one does."""
        self.ready.set()
        self._current = self._events.get()
        return self._current

    def fail_init(self, body: bytes) -> None:
        self.init_error = body
        self.ready.set()

    def answer(self, request_id: str, body: bytes, is_error: bool) -> tuple[int, dict]:
        """Takes a response or an error; returns the status and the document to reply with."""
        current = self._current
        if current is None or current.request_id != request_id:
            return 400, {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}
        if not is_error and len(body) > RESPONSE_LIMIT:
            too_large = {
                "errorType": "Function.ResponseSizeTooLarge",
                "errorMessage": f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).",
            }
            current.answer(json.dumps(too_large).encode(), True)
            return 413, too_large
        current.answer(body, is_error)
        return 202, {"status": "OK"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """Silent: a process that is killed resets its connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: RuntimeApi

    def log_message(self, *args) -> None:
        """Silent: LocalStack's log is not an access log."""

    def do_GET(self) -> None:
        if self.path != f"{API}/invocation/next":
            return self._reply(404, b"{}")
        invocation = self.api.next()
        if invocation is None:
            self.close_connection = True
            return None
        return self._reply(200, invocation.payload, invocation.headers)

    def do_POST(self) -> None:
        body = self._body()
        if self.path == f"{API}/init/error":
            self.api.fail_init(body)
            return self._reply(202, b'{"status":"OK"}')
        request_id, _, kind = self.path.removeprefix(f"{API}/invocation/").partition("/")
        if kind not in ("response", "error"):
            return self._reply(404, b"{}")
        status, document = self.api.answer(request_id, body, kind == "error")
        return self._reply(status, json.dumps(document).encode())

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return bytes(body)
