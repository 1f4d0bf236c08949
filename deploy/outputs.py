"""What a stack says of itself."""

import boto3


def outputs_of(session: boto3.Session, stack: str) -> dict[str, str]:
    """Return the outputs of a stack by name.

    Raises:
        ClientError: There is no such stack, or nobody may look at it.
    """
    [found] = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
