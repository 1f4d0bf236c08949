"""S3 on this machine (moto's server), and the events that it would send."""

from collections.abc import Sequence
from typing import Any

import boto3

from local.sam.secrets_manager import LOGIN, REGION
from local.servers.server import Server

BUCKET = "files"


class FilesBucket:
    """The stack's bucket of files, on a server that plays all of AWS."""

    def __init__(self, server: Server) -> None:
        """Make the bucket."""
        self.environment = LOGIN | {"AWS_ENDPOINT_URL_S3": f"http://{server.host}:{server.port}"}
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL_S3"],
            region_name=REGION,
            aws_access_key_id=LOGIN["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=LOGIN["AWS_SECRET_ACCESS_KEY"],
        )
        self._s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def put(self, key: str, content: bytes | str) -> dict[str, Any]:
        """Put a file; return the event of it."""
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return upload_event([key])

    def get(self, key: str) -> str:
        """Return what is in a file."""
        return str(self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode("utf-8-sig"))

    def keys(self, prefix: str = "") -> list[str]:
        """Return the names of all files."""
        listed = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", [])]


def upload_event(keys: Sequence[str]) -> dict[str, Any]:
    """Return what S3 tells a function of files that were put; it writes blanks as plus signs."""
    return {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": BUCKET}, "object": {"key": key.replace(" ", "+")}},
            }
            for key in keys
        ]
    }
