"""The service never reveals a customer's names, phone number or salary, whatever happens."""

import io

import pytest

from lending.observability import logger
from testkit.database import Database
from testkit.service import Service

COLUMNS = "customer_id, first_name, last_name, age, phone_number, monthly_salary, approved_limit"
PERSONAL = ("Yevgeniya", "Quisenberry", "+15550142", "73219", "61847053")


@pytest.fixture
def customer(database: Database) -> int:
    """A customer whose details look like nothing else in a log line."""
    database.execute(
        f"INSERT INTO customers ({COLUMNS}) VALUES (1001, %s, %s, 40, %s, %s, %s)",  # noqa: S608
        PERSONAL,
    )
    return 1001


def test_no_line_of_log_or_metrics_tells_who_a_customer_is(
    service: Service,
    database: Database,
    customer: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a miss, a hit, a decline, a refusal and an unforeseen error."""
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)

    statuses = [service.check(customer).status, service.check(customer).status, service.create(customer).status]
    statuses += [service.check(customer, tenure=0).status, service.check(4242).status]
    database.execute("RENAME TABLE loans TO loans_elsewhere")
    try:
        statuses += [service.create(customer, key="k").status]
    finally:
        database.execute("RENAME TABLE loans_elsewhere TO loans")

    told = log.getvalue() + capsys.readouterr().out
    assert statuses == [200, 200, 200, 422, 404, 500]
    assert told.count('"CacheHit"') > 0
    assert "Traceback" in told
    assert [detail for detail in PERSONAL if detail in told] == []
