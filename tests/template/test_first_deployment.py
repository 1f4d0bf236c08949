"""What a first deployment, a first bad release and a deletion found missing is there."""

import json
import re
from typing import Any

import pytest

from deploy.stages import stage
from importer.uploads import _deliveries
from testkit.template import template
from tests.template.concrete import Concrete
from tests.template.conftest import Templates

RECORD = {"business_date": "2026-11-25", "approved": True}


def properties(stack: Concrete, name: str) -> dict[str, Any]:
    return dict(stack.resources[name]["Properties"])


def test_nothing_is_reserved_in_an_account_that_has_nothing_to_reserve(stacks: dict[str, Concrete]) -> None:
    def reserved(name: str) -> dict[str, Any]:
        functions = stacks[name].of_type("AWS::Lambda::Function")
        return {each: made.get("ReservedConcurrentExecutions") for each, made in functions.items()}

    assert set(reserved("try").values()) == {None}
    assert {each for each, value in reserved("dev").items() if value is None} == {"ProbeFunction"}


def test_the_stage_to_try_is_what_a_new_account_has() -> None:
    tried = stage("try")

    assert (tried["DbInstanceClass"], tried["CacheNodeType"]) == ("db.t4g.micro", "cache.t4g.micro")
    assert tried.reserved_executions == 0
    assert int(tried["MonthlyBudget"]) > 0


def test_a_restored_database_is_not_sent_back_to_an_older_version(stacks: dict[str, Concrete]) -> None:
    assert "EngineVersion" not in properties(stacks["restored"], "Database")
    assert properties(stacks["prod"], "Database")["EngineVersion"] == "8.4"


@pytest.mark.parametrize("name", ["Migrate", "Import"])
def test_a_function_that_is_seldom_called_is_called_every_day(name: str, stack: Concrete) -> None:
    """As CloudFormation and S3 call it: without an alias, whose version has an interface of its own."""
    schedule = properties(stack, f"{name}StaysActiveSchedule")

    assert schedule["ScheduleExpression"] == "rate(1 day)"
    assert schedule["Target"]["Arn"] == {"Fn::GetAtt": [f"{name}Function", "Arn"]}
    assert schedule["Target"]["RoleArn"] == {"Fn::GetAtt": ["ScheduleRole", "Arn"]}


def test_the_daily_call_of_the_import_names_no_file(stack: Concrete) -> None:
    event = json.loads(properties(stack, "ImportStaysActiveSchedule")["Target"]["Input"])

    assert list(_deliveries(event)) == []


def test_the_access_log_joins_the_functions_log_and_the_records(stack: Concrete) -> None:
    entry = json.loads(properties(stack, "ApiStage")["AccessLogSettings"]["Format"])

    assert entry["requestId"] == "$context.requestId", "gateway_request_id of the record"
    assert entry["functionRequestId"] == "$context.integration.requestId", "request_id of the record"


def test_the_issuer_is_said_to_be_for_machines() -> None:
    assert "machines" in template()["Parameters"]["JwtIssuer"]["Description"]


def matches(pattern: str, line: str) -> bool:
    """Return what CloudWatch Logs' filter of one string field comes to."""
    found = re.fullmatch(r'\{ \$\.(\w+) = "\*" \}', pattern)
    assert found
    try:
        return isinstance(json.loads(line).get(found[1]), str)
    except ValueError:
        return False


def test_records_and_nothing_else_go_to_the_archive(stacks: dict[str, Concrete]) -> None:
    filters = stacks["prod"].of_type("AWS::Logs::SubscriptionFilter")

    assert {each["LogGroupName"]["Ref"] for each in filters.values()} == {"CheckEligibilityLogs", "CreateLoanLogs"}
    for each in filters.values():
        assert each["DestinationArn"] == {"Fn::GetAtt": ["ArchiveStream", "Arn"]}
        assert matches(each["FilterPattern"], json.dumps(RECORD))
        for other in ({"status": 404, "Latency": [1.0]}, {"level": "ERROR", "message": "business_date"}):
            assert not matches(each["FilterPattern"], json.dumps(other))
        assert not matches(each["FilterPattern"], "START RequestId: 1")


def test_the_archive_is_encrypted_and_kept_for_its_years_and_then_not(templates: Templates) -> None:
    stack = templates.stack(
        {"Stage": "prod", "SnapStart": "PublishedVersions", "ArchiveRecords": "10", "MonthlyBudget": "500"}
    )
    bucket = stack.resources["Archive"]
    [rule] = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    [encryption] = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule["ExpirationInDays"] == 3653
    assert encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": ["Key", "Arn"]}
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    years = template()["Mappings"]["Archive"]["Days"]
    assert set(years) == set(template()["Parameters"]["ArchiveRecords"]["AllowedValues"])
    assert all(365.25 * int(year) <= days <= 365.25 * int(year) + 1 for year, days in years.items())
    processors = properties(stack, "ArchiveStream")["ExtendedS3DestinationConfiguration"]["ProcessingConfiguration"]
    assert [each["Type"] for each in processors["Processors"]] == ["Decompression", "CloudWatchLogProcessing"]


def test_no_archive_is_made_that_nobody_asked_for(stacks: dict[str, Concrete]) -> None:
    for kind in ("AWS::KinesisFirehose::DeliveryStream", "AWS::Logs::SubscriptionFilter"):
        assert stacks["dev"].of_type(kind) == {}


def test_whoever_tells_the_topic_may_and_may_encrypt(stack: Concrete) -> None:
    """RDS and Budgets would otherwise be refused, in silence."""
    [tell] = properties(stack, "AlarmsPolicy")["PolicyDocument"]["Statement"]
    keys = properties(stack, "Key")["KeyPolicy"]["Statement"]
    [encrypt] = [each for each in keys if each["Sid"] == "AlarmsToTheEncryptedTopic"]

    services = ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com", "budgets.amazonaws.com"]
    assert tell["Principal"]["Service"] == encrypt["Principal"]["Service"] == services


def test_the_databases_events_and_the_budget_go_to_the_alarms_topic(stacks: dict[str, Concrete]) -> None:
    stack = stacks["prod"]
    events = properties(stack, "DatabaseEvents")
    notified = properties(stack, "Budget")["NotificationsWithSubscribers"]

    assert (events["SnsTopicArn"], events["SourceIds"]) == ({"Ref": "Alarms"}, [{"Ref": "Database"}])
    assert {"failover", "failure", "low storage"} <= set(events["EventCategories"])
    assert [each["Address"] for one in notified for each in one["Subscribers"]] == [{"Ref": "Alarms"}] * 2
    assert "Budget" not in stacks["dev"].resources
