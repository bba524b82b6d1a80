"""A real S3 server on the loopback, which can be told to check keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "bills"


class Store:
    """What the tests put into buckets, with the rights of an owner."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.port = 0

    def start(self) -> None:
        if self.port:
            self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        """What is in the buckets stays."""
        self._server.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def empty(self) -> None:
        """No bucket, no user; every key is let in."""
        self._post("/moto-api/reset-auth", b"inf")
        self._post("/moto-api/reset", b"")
        self.client("s3").create_bucket(Bucket=BUCKET)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="owner",
            aws_secret_access_key="owner",
        )

    def put(self, key: str, content: bytes, *, bucket: str = BUCKET) -> None:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=content)

    def delete(self, key: str) -> None:
        self.client("s3").delete_object(Bucket=BUCKET, Key=key)

    def make_key(self, *actions: str) -> dict[str, str]:
        """The key of a new user who may do that with the bucket, and nothing else."""
        iam = self.client("iam")
        name = f"user{len(iam.list_users()['Users'])}"
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resources}],
        }
        iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=json.dumps(policy))
        return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}

    @contextmanager
    def checking_keys(self) -> Iterator[None]:
        """From here on a key needs rights, the owner's too."""
        self._post("/moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self._post("/moto-api/reset-auth", b"inf")

    def _post(self, path: str, content: bytes) -> None:
        asked = Request(self.url + path, data=content, headers={"Content-Type": "text/plain"}, method="POST")
        with urlopen(asked, timeout=10) as answer:
            answer.read()
