"""Prints what `make import` and `make doctor` need to reach a stack's stores: `make environment STACK=lending-dev`.

It is what the import function has, so nothing is missing. Run it where AWS's API is in reach, and paste what it
prints on the machine in the VPC.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.outputs import outputs_of

WANTED = ("AWS_DEFAULT_REGION", "BUSINESS_TIMEZONE", "DB_", "REDIS_")
LAYER, CHECKOUT = "/opt/", "layers/common/"


def exports(variables: Mapping[str, str], region: str) -> Iterator[str]:
    """Yield a shell's commands for a function's variables, with the layer's files where a checkout has them."""
    for name, value in sorted({**variables, "AWS_DEFAULT_REGION": region}.items()):
        if name.startswith(WANTED) and value:
            path = CHECKOUT + value.removeprefix(LAYER) if value.startswith(LAYER) else value
            yield f"export {name}={shlex.quote(path)}"


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.environment", description=__doc__)
    parser.add_argument("stack", help="name of the stack")
    stack = parser.parse_args().stack
    session = boto3.Session()
    try:
        outputs = outputs_of(session, stack)
        function = session.client("lambda").get_function_configuration(FunctionName=outputs["ImportFunction"])
    except (BotoCoreError, ClientError, KeyError) as exc:
        sys.exit(f"environment: {stack} does not tell: {exc}")
    print("\n".join(exports(function["Environment"]["Variables"], session.region_name)))


if __name__ == "__main__":
    main()
