"""Protects a stack from a deletion, and its data from an update: `make protect STACK=lending-prod`, or with OFF=1.

`sam delete` would take the API, the functions and the cache before the database's own protection stops it. With this
CloudFormation refuses at once. The stack policy refuses updates that would replace or remove what holds data.
"""

import argparse
import json
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.stages import ROOT

POLICY = (ROOT / "deploy/stack_policy.json").read_text(encoding="utf-8")
ALLOW_ALL = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}]})


def protect(cloudformation: Any, stack: str, *, on: bool) -> None:
    """Turn a stack's protection on or off."""
    cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=on)
    cloudformation.set_stack_policy(StackName=stack, StackPolicyBody=POLICY if on else ALLOW_ALL)


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.protect", description=__doc__)
    parser.add_argument("stack", help="name of the stack")
    parser.add_argument("--off", action="store_true", help="for a restore or a deletion that is meant")
    given = parser.parse_args()
    try:
        protect(boto3.client("cloudformation"), given.stack, on=not given.off)
    except (BotoCoreError, ClientError) as exc:
        sys.exit(f"protect: {exc}")
    print(f"{given.stack} is {'no longer ' * given.off}protected.")


if __name__ == "__main__":
    main()
