"""Asks an account whether a stage can be deployed to it: `make preflight CONFIG=prod`, before `sam deploy`.

CloudFormation would find out too, but half an hour later, and then the stack must be deleted. Nothing is changed.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.stages import ROOT, Stage, UnknownStageError, stage, template

FREE_EXECUTIONS = 100
"""Lambda keeps so many of an account's concurrent executions for functions that reserve none."""
EXECUTIONS_TO_TRY = 10
"""What a stage without reservations needs: the API, the refresh, a migration and an import at the same time."""
FREE_PLAN_CLASSES = {"db.t3.micro", "db.t4g.micro"}
ZONES = 2
GONE = {"ValidationError", "ResourceNotFoundException", "ResourceNotFound", "DBProxyNotFoundFault"}
STUCK = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}


class Finding(NamedTuple):
    """One thing that was looked at."""

    fit: bool
    what: str
    to_do: str = ""
    """What makes it fit."""


class Account:
    """An account's services in a region, and the stage that is to be deployed there."""

    def __init__(self, the_stage: Stage, client: Callable[[str], Any], region: str) -> None:
        """Take the stage, what makes a client of a service, and the region."""
        self.stage = the_stage
        self.client = client
        self.region = region

    def identity(self) -> Iterator[Finding]:
        """Who deploys."""
        caller = self.client("sts").get_caller_identity()
        root = caller["Arn"].endswith(":root")
        yield Finding(not root, f"You are {caller['Arn']}.", "Use a role or a user. The root user is for emergencies.")

    def region_is_known(self) -> Iterator[Finding]:
        """Whether the layer can verify the region's databases, and there are zones enough."""
        bundle = ROOT / f"layers/common/certificates/rds-{self.region}.pem"
        yield Finding(
            bundle.is_file() or bool(self.stage["DbTlsCa"]),
            f"The layer has the authorities of databases in {self.region}.",
            f"Fetch {bundle.name}: docs/deploy.md, The database's certificate.",
        )
        zones = self.client("ec2").describe_availability_zones(
            Filters=[{"Name": "state", "Values": ["available"]}, {"Name": "zone-type", "Values": ["availability-zone"]}]
        )["AvailabilityZones"]
        yield Finding(
            len(zones) >= ZONES, f"{self.region} has {len(zones)} zones.", "Choose a region with two or more."
        )

    def executions(self) -> Iterator[Finding]:
        """Whether the functions can run, and may reserve what they are to reserve."""
        settings = self.client("lambda").get_account_settings()
        limit = settings["AccountLimit"]["ConcurrentExecutions"]
        free = settings["AccountLimit"]["UnreservedConcurrentExecutions"]
        reserved = self.stage.reserved_executions
        needed = reserved + FREE_EXECUTIONS if reserved else EXECUTIONS_TO_TRY
        # An update of a stack that stands has its share already.
        fit = free >= needed or (self._stack_status() is not None and free >= FREE_EXECUTIONS)
        yield Finding(
            fit,
            f"{free} of {limit} concurrent executions are unreserved; {needed} are needed.",
            f"Ask Service Quotas for {limit - free + needed} (Lambda, Concurrent executions, L-B99A9384), or set "
            "CheckEligibilityConcurrency=0 CreateLoanConcurrency=0, as `try` does.",
        )

    def names(self) -> Iterator[Finding]:
        """Whether the stack can be created or updated, and no other one has the names that it chooses."""
        name, status = self.stage.stack, self._stack_status()
        yield Finding(
            status not in STUCK,
            f"The stack {name} is {status or 'not there yet'}.",
            f"It cannot be updated. Delete it first: sam delete --stack-name {name}",
        )
        if status is not None and status.endswith("_IN_PROGRESS"):
            yield Finding(fit=False, what=f"The stack {name} is being changed.", to_do="Wait until it is done.")
        if status is None:
            yield from self._names_taken(name)

    def network(self) -> Iterator[Finding]:
        """Whether another VPC may be made."""
        if self.stage["VpcId"] or self._stack_status() is not None:
            return
        there = len(self.client("ec2").describe_vpcs()["Vpcs"])
        quota = self.client("service-quotas").get_service_quota(ServiceCode="vpc", QuotaCode="L-F678F1CE")
        limit = int(quota["Quota"]["Value"])
        yield Finding(there < limit, f"{there} of {limit} VPCs exist.", "Ask Service Quotas for more, or give VpcId.")

    def database(self) -> Iterator[Finding]:
        """Whether the engine and the class of the database are offered."""
        if self.stage["DbHost"]:
            return
        rds, kind = self.client("rds"), self.stage["DbInstanceClass"]
        wanted = template()["Resources"]["Database"]["Properties"]["EngineVersion"]["Fn::If"][2]
        versions = rds.describe_db_engine_versions(Engine="mysql", EngineVersion=wanted)["DBEngineVersions"]
        yield Finding(bool(versions), f"RDS offers MySQL {wanted}.", f"Choose a region that has MySQL {wanted}.")
        if versions:
            offers = rds.describe_orderable_db_instance_options(
                Engine="mysql", EngineVersion=versions[-1]["EngineVersion"], DBInstanceClass=kind, Vpc=True
            )["OrderableDBInstanceOptions"]
            zones = {zone["Name"] for offer in offers for zone in offer["AvailabilityZones"]}
            multi_az = not self.stage.is_prod or any(offer["MultiAZCapable"] for offer in offers)
            yield Finding(
                len(zones) >= ZONES and multi_az,
                f"RDS offers {kind} with MySQL {versions[-1]['EngineVersion']} in {len(zones)} zones.",
                "Choose another DbInstanceClass, and DbMaxConnections with it.",
            )

    def cache(self) -> Iterator[Finding]:
        """Whether the engine and the nodes of the cache are offered."""
        if self.stage["RedisHost"] or self.stage["CacheMode"] == "serverless":
            return
        elasticache, kind = self.client("elasticache"), self.stage["CacheNodeType"]
        # There is no call for what can be ordered; what can be reserved can be.
        offers = elasticache.describe_reserved_cache_nodes_offerings(CacheNodeType=kind)["ReservedCacheNodesOfferings"]
        yield Finding(bool(offers), f"ElastiCache offers {kind}.", "Choose another CacheNodeType.")

    def plan(self) -> Iterator[Finding]:
        """Whether the account's plan refuses what the stage wants."""
        try:
            plan = self.client("freetier").get_account_plan_state()["accountPlanType"]
        except ClientError as exc:
            if exc.response["Error"]["Code"] not in {"ResourceNotFoundException", "AccessDeniedException"}:
                raise
            return  # an account from before there were plans, or one of an organization
        if plan != "FREE":
            yield Finding(fit=True, what=f"The account's plan is {plan}.")
            return
        kind = self.stage["DbInstanceClass"]
        fit = not self.stage.is_prod and (bool(self.stage["DbHost"]) or kind in FREE_PLAN_CLASSES)
        yield Finding(
            fit,
            f"The account is on the free plan; the stage wants {kind}{' twice' * self.stage.is_prod}.",
            "Deploy `try`, whose sizes the free plan has, or upgrade the plan.",
        )

    def _stack_status(self) -> str | None:
        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self.stage.stack)["Stacks"]
        except ClientError as exc:
            if exc.response["Error"]["Code"] in GONE:
                return None
            raise
        return str(stacks[0]["StackStatus"])

    def _names_taken(self, name: str) -> Iterator[Finding]:
        scheduler, cloudwatch, rds = (self.client(each) for each in ("scheduler", "cloudwatch", "rds"))
        looks: dict[str, Callable[[], Any]] = {
            f"schedule {name}-refresh-cache": lambda: scheduler.get_schedule(Name=f"{name}-refresh-cache"),
            f"dashboard {name}": lambda: cloudwatch.get_dashboard(DashboardName=name),
        }
        if self.stage["UseDbProxy"] == "true":
            looks[f"proxy {name}"] = lambda: rds.describe_db_proxies(DBProxyName=name)
        for what, look in looks.items():
            try:
                look()
            except ClientError as exc:
                if exc.response["Error"]["Code"] not in GONE:
                    raise
                yield Finding(fit=True, what=f"The name of the {what} is free.")
            else:
                yield Finding(
                    fit=False, what=f"There is a {what} already.", to_do="Delete it, or name the stack otherwise."
                )


def findings(account: Account) -> Iterator[Finding]:
    """Yield all findings; a question that cannot be asked is one as well."""
    for look in (
        *(account.identity, account.region_is_known, account.executions, account.names),
        *(account.network, account.database, account.cache, account.plan),
    ):
        try:
            yield from look()
        except (BotoCoreError, ClientError) as exc:
            to_do = "Allow it, or check it in the console."
            yield Finding(fit=False, what=f"{look.__name__}: {type(exc).__name__}: {exc}", to_do=to_do)


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.preflight", description=__doc__)
    parser.add_argument("config", help="a stage of samconfig.toml")
    try:
        the_stage = stage(parser.parse_args().config)
    except UnknownStageError as exc:
        sys.exit(f"preflight: {exc}")
    session: Any = boto3.Session()
    if session.region_name is None:
        sys.exit("preflight: no region is chosen: export AWS_DEFAULT_REGION=...")
    account = Account(the_stage, session.client, session.region_name)
    print(f"{the_stage.stack} in {session.region_name}:")
    unfit = 0
    for finding in findings(account):
        unfit += not finding.fit
        print(f"  {'ok ' if finding.fit else 'BAD'}  {finding.what}")
        if not finding.fit:
            print(f"       {finding.to_do}")
    sys.exit(f"preflight: {unfit} to do before `sam deploy`." if unfit else None)


if __name__ == "__main__":
    main()
