"""Records the calls that are made in the name of a role or of a service, since LocalStack asks no policy about them.

FONDERIE_CALLS names a file that gets a line of JSON per distinct call: service and operation, the role behind the key or the service that
calls, the parameters that name a resource, and how it ended. The tests evaluate these lines against the policies (tests/node/iam).
It knows nothing of LocalStack but the shape of a request's context.
"""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

# What names a resource, or how it is encrypted. No body, no secret's value, no payload.
PARAMETERS = (
    "Bucket",
    "ChecksumMode",
    "CopySource",
    "executionArn",
    "FunctionName",
    "Key",
    "KeyId",
    "mapRunArn",
    "Prefix",
    "Qualifier",
    "QueueUrl",
    "RoleArn",
    "SecretId",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "stateMachineArn",
    "TopicArn",
    "VersionId",
)


class Recorder:
    """A handler of responses: LocalStack calls it with its chain, the request's context and the response."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._roles: dict[str, str] = {}
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, _chain: Any, context: Any, response: Any) -> None:
        if context.service is None or context.operation is None:
            return
        service, operation = context.service.service_name, context.operation.name
        request = context.service_request or {}
        internal = context.internal_request_params or {}
        role = self._roles.get(_access_key(context.request.headers))
        if (service, operation) == ("sts", "AssumeRole") and response.status_code < 300:
            self._roles[context.service_response["Credentials"]["AccessKeyId"]] = request["RoleArn"]
        if role is None and internal.get("service_principal") is None:
            return
        call = {
            "service": service,
            "operation": operation,
            "role": role,
            "service_principal": internal.get("service_principal"),
            "source_arn": internal.get("source_arn"),
            "parameters": {name: str(request[name]) for name in PARAMETERS if request.get(name) is not None},
            "status": response.status_code,
        }
        self._write(json.dumps(call, sort_keys=True))

    def _write(self, line: str) -> None:
        with self._lock:
            if line in self._seen:
                return
            self._seen.add(line)
            with self._path.open("a", encoding="utf-8") as calls:
                calls.write(f"{line}\n")


def _access_key(headers: Any) -> str | None:
    found = re.search(r"Credential=([^/]+)/", headers.get("Authorization") or "")
    return found[1] if found else None
