"""What is recorded of a call: without LocalStack, on contexts of the shape that it has."""

import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from fonderie_localstack.calls import Recorder

LOAD = "arn:aws:iam::000000000000:role/fonderie-local-load-lambda"


class CallsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "calls.jsonl")
        self.recorder = Recorder(self.path)

    def call(self, service: str, operation: str, key: str, request: dict, status: int = 200, **context) -> None:
        authorization = f"AWS4-HMAC-SHA256 Credential={key}/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host"
        self.recorder(
            None,
            SimpleNamespace(
                service=SimpleNamespace(service_name=service),
                operation=SimpleNamespace(name=operation),
                service_request=request,
                service_response=context.get("response"),
                internal_request_params=context.get("internal"),
                request=SimpleNamespace(headers={"Authorization": authorization}),
            ),
            SimpleNamespace(status_code=status),
        )

    def assume(self, key: str) -> None:
        internal = {"service_principal": "lambda", "source_arn": "arn:of:the:function"}
        response = {"Credentials": {"AccessKeyId": key, "SecretAccessKey": "hidden"}}
        self.call("sts", "AssumeRole", "internal", {"RoleArn": LOAD}, internal=internal, response=response)

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def test_a_call_has_the_role_that_the_key_was_given_for(self) -> None:
        self.assume("LSIA1")
        self.call("s3", "GetObject", "LSIA1", {"Bucket": "silver", "Key": "a", "VersionId": "1"}, 404)
        assumed, read = self.lines()
        self.assertEqual((assumed["operation"], assumed["service_principal"], assumed["role"]), ("AssumeRole", "lambda", None))
        self.assertEqual(read["role"], LOAD)
        self.assertEqual(read["parameters"], {"Bucket": "silver", "Key": "a", "VersionId": "1"})
        self.assertEqual(read["status"], 404)

    def test_what_a_service_does_in_its_own_name_is_recorded_and_what_a_person_does_is_not(self) -> None:
        bronze = {"service_principal": "s3", "source_arn": "arn:aws:s3:::bronze"}
        self.call("sqs", "SendMessage", "internal", {"QueueUrl": "http://q", "MessageBody": "{}"}, internal=bronze)
        self.call("s3", "PutObject", "test", {"Bucket": "bronze", "Key": "a"})
        self.assertEqual([(line["operation"], line["source_arn"]) for line in self.lines()], [("SendMessage", "arn:aws:s3:::bronze")])

    def test_no_content_is_recorded_and_no_call_twice(self) -> None:
        self.assume("LSIA1")
        for value in ("one", "two"):
            self.call("secretsmanager", "PutSecretValue", "LSIA1", {"SecretId": "database", "SecretString": value})
        (_, put) = self.lines()
        self.assertEqual(put["parameters"], {"SecretId": "database"})
        self.assertNotIn("hidden", self.path.read_text())


if __name__ == "__main__":
    unittest.main()
