"""A deployment migrates the database, and CloudFormation gets an answer whatever happens."""

import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from db import custom_resource, migrate
from lending import wiring
from local.front.lambda_context import LambdaContext
from local.sam.secrets_manager import put_login, with_secret
from local.servers.server import Server
from testkit.cloudformation import CloudFormation, cloudformation_waits
from testkit.database import Database, own_database
from testkit.service import wired
from testkit.waiting import eventually

DB_SECRET = "lending/database"  # a name, not a secret


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    with cloudformation_waits() as waiting:
        yield waiting


@pytest.fixture
def empty_database(
    mysql_environment: dict[str, str], aws: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A database without a schema, with its login in a secret as in a stack; the functions are wired to it."""
    with own_database(mysql_environment, "deployed") as database:
        for name in ("DB_USER", "DB_PASSWORD"):
            monkeypatch.delenv(name, raising=False)
        with wired(with_secret(database.environment, aws, DB_SECRET), monkeypatch):
            yield database


def migrations(database: Database) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM schema_migrations ORDER BY version")]


def test_a_new_stack_finds_its_schema_made(empty_database: Database, cloudformation: CloudFormation) -> None:
    answer = cloudformation.request("Create")

    assert answer["Status"] == "SUCCESS"
    assert answer["Reason"] == ", ".join(migrations(empty_database))
    assert empty_database.execute("SELECT COUNT(*) FROM loans") == ((0,),)


@pytest.mark.usefixtures("empty_database")
def test_the_answer_is_what_cloudformation_expects(cloudformation: CloudFormation) -> None:
    answer = cloudformation.request("Create")

    assert answer["PhysicalResourceId"] == "schema"
    assert answer["LogicalResourceId"] == "Schema"
    assert answer["RequestId"] == "5f0c2d1e"
    assert answer["StackId"].endswith("stack/lending/0a1b2c3d")
    assert cloudformation.content_types == [""], "the URL's signature covers no other"


@pytest.mark.usefixtures("empty_database")
def test_an_update_with_nothing_new_does_nothing(cloudformation: CloudFormation) -> None:
    cloudformation.request("Create")

    assert cloudformation.request("Update") | {"Reason": ""} == cloudformation.answers[0] | {"Reason": ""}
    assert cloudformation.answers[-1]["Reason"] == "nothing to do"


@pytest.mark.usefixtures("empty_database")
def test_another_setting_is_another_fingerprint(cloudformation: CloudFormation) -> None:
    """The template puts it into a version's description, which has at most 256 characters."""

    def fingerprint(kind: str, *settings: str) -> str:
        return str(cloudformation.request(kind, settings=settings)["Data"]["Settings"])

    first = fingerprint("Create", "arm64", "INFO", "a.example.com")

    assert fingerprint("Update", "arm64", "INFO", "a.example.com") == first
    assert fingerprint("Update", "arm64", "DEBUG", "a.example.com") != first
    assert fingerprint("Update", "arm64", "INFO", "b.example.com") != first
    assert 0 < len(first) < 100


def test_a_deletion_touches_nothing_even_without_a_database(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wired({"DB_HOST": "nowhere.invalid", "DB_NAME": "lending", "DB_SECRET_ID": DB_SECRET}, monkeypatch):
        assert cloudformation.request("Delete")["Status"] == "SUCCESS"


@pytest.mark.usefixtures("empty_database")
def test_a_migration_that_fails_fails_the_deployment_and_says_where(
    cloudformation: CloudFormation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_broken.sql").write_text("CREATE TABLE a (x INT);\nCREATE TABEL b (x INT);\n")
    monkeypatch.setattr(custom_resource, "migrate", lambda connection: migrate.migrate(connection, tmp_path))

    answer = cloudformation.request("Create")

    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("0001_broken.sql, statement 2: You have an error in your SQL syntax")
    assert "see log group /aws/lambda/MigrateFunction, stream " in answer["Reason"]


def test_a_rollback_leaves_the_schema_of_the_newer_version_and_succeeds(
    empty_database: Database, cloudformation: CloudFormation
) -> None:
    """Otherwise the stack would be stuck in UPDATE_ROLLBACK_FAILED."""
    cloudformation.request("Create")
    empty_database.execute(
        "INSERT INTO schema_migrations (version, name, checksum, finished_at) VALUES (9999, '9999_newer', '', NOW())"
    )

    assert cloudformation.request("Update")["Status"] == "SUCCESS"
    assert "9999_newer" in migrations(empty_database)


def test_a_new_stack_does_not_start_on_a_newer_schema(empty_database: Database, cloudformation: CloudFormation) -> None:
    cloudformation.request("Create")
    empty_database.execute(
        "INSERT INTO schema_migrations (version, name, checksum, finished_at) VALUES (9999, '9999_newer', '', NOW())"
    )

    answer = cloudformation.request("Create")

    assert answer["Status"] == "FAILED"
    assert "the database has had 9999_newer" in answer["Reason"]


def test_a_wrong_password_is_reported_without_being_shown(
    empty_database: Database, cloudformation: CloudFormation, aws: Server
) -> None:
    put_login(aws, DB_SECRET, empty_database.environment["DB_USER"], "swordfish")

    answer = cloudformation.request("Create")

    assert answer["Status"] == "FAILED"
    assert "Access denied for user" in answer["Reason"]
    assert "swordfish" not in json.dumps(answer)


@pytest.mark.usefixtures("empty_database")
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DB_SECRET_ID", "elsewhere", "The login could not be fetched: ResourceNotFoundException"),
        # This is the first connection of a stack, so a problem with TLS shows here, before any request.
        ("DB_TLS_CA", "/nonexistent/bundle.pem", "DB_TLS_CA: there is no /nonexistent/bundle.pem here"),
        ("DB_PORT", "many", "DB_PORT must be an integer"),
    ],
)
def test_what_keeps_the_function_from_the_database_is_reported(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    wiring.close()

    answer = cloudformation.request("Create")

    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(reason)


def test_a_migration_that_takes_too_long_is_reported_and_ended_before_the_function_ends(
    empty_database: Database, cloudformation: CloudFormation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy server, for example in an ALTER, does not notice that its client has left, and would keep the lock."""
    (tmp_path / "0001_slow.sql").write_text("DO BENCHMARK(100000000000, SHA2('slow', 512));\n")
    monkeypatch.setattr(custom_resource, "migrate", lambda connection: migrate.migrate(connection, tmp_path))
    started = time.monotonic()

    answer = cloudformation.request(
        context=LambdaContext("MigrateFunction", timeout_seconds=custom_resource.SECONDS_TO_ANSWER + 1)
    )

    assert answer["Status"] == "FAILED"
    assert "the function's time was over" in answer["Reason"]
    assert time.monotonic() - started < 10
    assert eventually(lambda: empty_database.execute(f"SELECT IS_FREE_LOCK({migrate.LOCK_NAME})") == ((1,),), 5)


@pytest.mark.usefixtures("empty_database")
def test_an_answer_that_gets_lost_is_sent_again(cloudformation: CloudFormation) -> None:
    cloudformation.refuse = 2

    assert cloudformation.request("Create")["Status"] == "SUCCESS"


@pytest.mark.usefixtures("empty_database")
def test_an_answer_that_cannot_be_sent_makes_lambda_try_again(cloudformation: CloudFormation) -> None:
    cloudformation.refuse = 3

    with pytest.raises(OSError, match="503"):
        cloudformation.request("Create")


def test_a_deployment_without_the_policy_in_force_fails_even_as_a_rollback(
    empty_database: Database, cloudformation: CloudFormation
) -> None:
    cloudformation.request("Create")
    recorded = empty_database.execute("SELECT effective_from FROM policies")
    empty_database.execute("INSERT INTO policies (hash, effective_from) VALUES (REPEAT('2', 32), '2001-01-01')")
    empty_database.execute(
        "INSERT INTO schema_migrations (version, name, checksum, finished_at) VALUES (9999, '9999_newer', '', NOW())"
    )

    answer = cloudformation.request("Update")

    assert recorded == ((date(2000, 1, 1),),)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(f"this release lacks policy {'2' * 32}, which is in force since 2001-01-01")


@pytest.mark.usefixtures("empty_database")
def test_the_daily_call_that_keeps_the_function_active_does_nothing(cloudformation: CloudFormation) -> None:
    custom_resource.lambda_handler({"RequestType": "StayActive"}, LambdaContext("MigrateFunction", timeout_seconds=900))

    assert cloudformation.answers == []
