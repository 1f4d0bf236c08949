"""The built functions and layer, not the source tree, answer: in AWS's own emulator, on real servers."""

import io
import json
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from db.migrate import migrate
from local.sam.sample_events import CHECK_ELIGIBILITY, CREATE_LOAN, SAMPLE_EVENTS, SampleEvent
from local.sam.secrets_manager import with_secret
from local.servers.server import Server
from testkit.cloudformation import cloudformation_waits
from testkit.database import Database, own_database
from testkit.emulator import Emulator, FunctionError
from testkit.fakes import Customer, a_loan
from testkit.s3 import FilesBucket
from testkit.template import functions, local_environment

pytestmark = pytest.mark.skipif(find_spec("awslambdaric") is None, reason="AWS's emulator and client are for Linux")

REFRESH_CACHE, MIGRATE, IMPORT = "RefreshCacheFunction", "MigrateFunction", "ImportFunction"
BORROWER = 1001  # of the sample events


@pytest.fixture
def emulators(build: Path, database: Database, redis_server: Server) -> Iterator[dict[str, Emulator]]:
    """Both functions, with one customer to ask about."""
    database.add_customer(BORROWER, Customer(Decimal(100_000), Decimal(1_000_000)), [a_loan(), a_loan(), a_loan()])
    stores = database.environment | redis_server.environment
    with (
        Emulator(CHECK_ELIGIBILITY, local_environment(CHECK_ELIGIBILITY) | stores, build) as check_eligibility,
        Emulator(CREATE_LOAN, local_environment(CREATE_LOAN) | stores, build) as create_loan,
    ):
        yield {CHECK_ELIGIBILITY: check_eligibility, CREATE_LOAN: create_loan}


def test_every_sample_event_is_answered_as_it_should_be(emulators: dict[str, Emulator]) -> None:
    def answered_rightly(sample: SampleEvent) -> bool:
        return emulators[sample.function].invoke(sample.load())["statusCode"] in sample.statuses

    assert [sample.name for sample in SAMPLE_EVENTS if not answered_rightly(sample)] == []


def test_a_loan_lets_the_next_check_see_the_new_score(emulators: dict[str, Emulator]) -> None:
    check, create = (
        next(sample.load() for sample in SAMPLE_EVENTS if sample.name == name)
        for name in ("check_eligibility", "create_loan")
    )

    first, again = (emulators[CHECK_ELIGIBILITY].invoke(check) for _ in range(2))
    lent = emulators[CREATE_LOAN].invoke(create)
    after = emulators[CHECK_ELIGIBILITY].invoke(check)

    assert lent["statusCode"] == 201
    assert [_cache_status(answer) for answer in (first, again, after)] == [
        "fwd=miss; stored",
        "hit",
        "fwd=miss; stored",
    ]
    assert _score(first) == _score(again) < _score(after)


def test_a_request_leaves_its_metrics_under_the_name_of_the_function(emulators: dict[str, Emulator]) -> None:
    check = next(sample.load() for sample in SAMPLE_EVENTS if sample.name == "check_eligibility")

    emulators[CHECK_ELIGIBILITY].invoke(check)

    lines = [json.loads(line) for line in emulators[CHECK_ELIGIBILITY].log().splitlines() if line.startswith("{")]
    [line] = [line for line in lines if "_aws" in line]
    assert line["service"] == "check-eligibility"
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Lending"
    assert line["CacheMiss"] == [1.0]


@pytest.mark.parametrize(("initialization", "loaded"), [("snap-start", True), ("on-demand", False)])
def test_a_snapshot_holds_the_driver_that_a_first_request_would_load(
    initialization: str, *, loaded: bool, build: Path
) -> None:
    """The request is refused before any store is asked: what was loaded, the initialization has loaded."""
    refused = next(sample.load() for sample in SAMPLE_EVENTS if sample.name == "check_eligibility_invalid_fields")
    variables = {"DB_HOST": "nowhere", "DB_USER": "nobody", "REDIS_HOST": "nowhere", "PYTHONPROFILEIMPORTTIME": "1"}
    environment = local_environment(CHECK_ELIGIBILITY) | variables | {"AWS_LAMBDA_INITIALIZATION_TYPE": initialization}

    with Emulator(CHECK_ELIGIBILITY, environment, build) as check_eligibility:
        # The emulator takes no snapshots: the runtime's client asks it for one when all is loaded, and is refused.
        with suppress(FunctionError) if loaded else nullcontext():
            check_eligibility.invoke(refused)
        log = check_eligibility.log()

    assert ("pymysql.connections" in log) == loaded


def test_the_refresh_sweeps_what_a_loan_left_to_it(
    build: Path, emulators: dict[str, Emulator], database: Database, redis_server: Server
) -> None:
    create = next(sample.load() for sample in SAMPLE_EVENTS if sample.name == "create_loan")
    emulators[CREATE_LOAN].invoke(create)
    stores = database.environment | redis_server.environment
    environment = local_environment(REFRESH_CACHE) | stores | {"SWEEP_SECONDS": "60"}

    with Emulator(REFRESH_CACHE, environment, build, timeout_seconds=functions()[REFRESH_CACHE]["Timeout"]) as refresh:
        report = refresh.invoke({"id": "from the schedule"})

    assert report["swept"] == 1
    assert report["mismatches"] == 0


def test_a_deployment_makes_the_schema_and_the_functions_enter_by_the_same_secret(
    build: Path, mysql_environment: dict[str, str], redis_server: Server, aws: Server
) -> None:
    check = next(sample.load() for sample in SAMPLE_EVENTS if sample.name == "check_eligibility_unknown_customer")

    with own_database(mysql_environment, "deployed") as empty, cloudformation_waits() as cloudformation:
        stores = with_secret(empty.environment | redis_server.environment, aws, "lending/database")
        with Emulator(
            MIGRATE,
            local_environment(MIGRATE) | stores,
            build,
            handler=functions()[MIGRATE]["Handler"],
            timeout_seconds=functions()[MIGRATE]["Timeout"],
        ) as migrate:
            migrate.invoke(cloudformation.event("Create"))
        with Emulator(CHECK_ELIGIBILITY, local_environment(CHECK_ELIGIBILITY) | stores, build) as check_eligibility:
            answer = check_eligibility.invoke(check)

    assert cloudformation.answers[0]["Status"] == "SUCCESS", cloudformation.answers[0]["Reason"]
    assert answer["statusCode"] == 404


def test_the_built_import_function_brings_a_customer_whom_the_built_api_then_answers(
    build: Path, mysql_environment: dict[str, str], redis_server: Server, aws: Server
) -> None:
    """From a bucket, in every form that a lender keeps files in, to the report and the first decision."""
    check = next(sample.load() for sample in SAMPLE_EVENTS if sample.name == "check_eligibility")
    workbook, content = Workbook(), io.BytesIO()
    sheet: Any = workbook.active
    sheet.append(["Customer ID", "Loan ID", "Loan Amount", "Tenure", "Monthly payment", "EMIs paid on Time",
                  "Date of Approval", "End Date"])  # fmt: skip
    sheet.append([BORROWER, "LN0001", 400000, 12, 35000.5, 12, date(2020, 1, 31), date(2021, 1, 31)])
    workbook.save(content)

    with own_database(mysql_environment, "imported") as empty:
        migrate(empty.connection)
        bucket = FilesBucket(aws)
        stores = with_secret(empty.environment | redis_server.environment, aws, "lending/database")
        bucket.put("imports/first/loans.xlsx", content.getvalue())
        customers = f"Customer No.;FirstName;MonthlySalary;ApprovedLimit\r\n{BORROWER};Zoë;50.000,00;1.800.000,00\r\n"
        event = bucket.put("imports/first/customers.csv", customers.encode("cp1252"))
        with Emulator(
            IMPORT,
            local_environment(IMPORT) | stores | bucket.environment,
            build,
            handler=functions()[IMPORT]["Handler"],
            timeout_seconds=functions()[IMPORT]["Timeout"],
        ) as importer:
            importer.invoke(event)
        report = bucket.get("reports/first/report.txt")
        with Emulator(CHECK_ELIGIBILITY, local_environment(CHECK_ELIGIBILITY) | stores, build) as check_eligibility:
            answer = check_eligibility.invoke(check)

    assert report.endswith("Imported.\n"), report
    assert "1 added" in report
    assert (answer["statusCode"], _score(answer)) == (200, 47)


def _cache_status(answer: dict[str, Any]) -> str:
    return str(answer["headers"]["cache-status"]).removeprefix("credit-score; ")


def _score(answer: dict[str, Any]) -> int:
    return int(json.loads(answer["body"])["credit_score"])
