"""Imports that break off: nothing of them stays, and the message says so."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pymysql
import pytest
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor

from importer import connection, customer_merge, loan_merge, merging, progress_merge
from importer.loan_merge import merge_loans
from importer.progress_merge import merge_progress
from testkit.database import Database, connect
from testkit.waiting import eventually
from tests.importer.importing import Importer, a_customer, a_loan, as_csv, counts

IMPORT: list[str | Path] = [sys.executable, "-m", "importer"]
MANY = 5000
"""More rows than a batch has."""


def other_connections(database: Database) -> list[int]:
    """Return the ids of the connections to the database but the test's own."""
    rows = database.execute(
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    )
    return [row[0] for row in rows]


@contextmanager
def import_in_the_middle(importer: Importer, database: Database) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run an import in a process of its own up to the middle of its file of loans, which is a pipe."""
    importer.customers.write_text(as_csv([a_customer(1)]))
    os.mkfifo(importer.loans)
    command = [*IMPORT, "--customers", importer.customers, "--loans", importer.loans, "--rejects", importer.rejects]
    with subprocess.Popen(command, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        with suppress(BrokenPipeError), importer.loans.open("w") as loans:
            assert eventually(lambda: len(other_connections(database)) == 1, 20)
            loans.write(as_csv(a_loan(1, loan_id) for loan_id in range(1, MANY + 1)))
            loans.flush()
            yield process, loans
        process.kill()


def last_line(process: "subprocess.Popen[str]") -> str:
    """Return the last line that the process writes to its stderr."""
    assert process.stderr is not None
    return process.stderr.read().splitlines()[-1]


def test_a_file_broken_near_its_end_leaves_nothing_behind(importer: Importer, database: Database) -> None:
    importer([a_customer(1)])
    importer.customers.write_text(as_csv([a_customer(1, age=50), a_customer(2)]))
    importer.loans.write_text(as_csv(a_loan(1, i) for i in range(1, MANY)) + '1,"')

    outcome = importer.run(importer.customers, importer.loans)

    assert outcome.status == 1
    assert outcome.err.splitlines()[-1] == (
        f"import: {importer.loans} is not CSV: unexpected end of data, in the record from line {MANY + 1} on. "
        "Nothing was imported."
    )
    assert database.execute("SELECT age FROM customers") == ((41,),)
    assert counts(database) == (1, 0)
    assert list(importer.rejects.iterdir()) == []


@pytest.mark.parametrize(("name", "complaint"), [("nowhere.csv", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_opened_is_named(importer: Importer, tmp_path: Path, name: str, complaint: str) -> None:
    outcome = importer.run(tmp_path / name, None)

    assert (outcome.status, outcome.err.splitlines()[-1]) == (
        1,
        f"import: {tmp_path / name} cannot be read: {complaint}. Nothing was imported.",
    )


def test_rejects_that_cannot_be_listed_are_found_out_before_the_import(importer: Importer, database: Database) -> None:
    importer.rejects = importer.customers / "rejects"

    outcome = importer([a_customer(1)])

    assert outcome.status == 1
    assert f"Cannot write the rejected rows to {importer.rejects}" in outcome.err
    assert counts(database) == (0, 0)


def test_a_killed_import_leaves_nothing_behind(importer: Importer, database: Database) -> None:
    with import_in_the_middle(importer, database) as (process, _):
        process.kill()
        process.wait()

    assert counts(database) == (0, 0)
    importer.loans.unlink()
    assert importer([a_customer(1)], [a_loan(1, 11)]).status == 0


def test_an_import_killed_amid_its_transaction_leaves_nothing_behind(importer: Importer, database: Database) -> None:
    importer([a_customer(1), a_customer(2)])
    importer.customers.write_text(as_csv([a_customer(1, age=50), a_customer(2, age=50), a_customer(3)]))
    command = [*IMPORT, "--customers", importer.customers, "--rejects", importer.rejects]
    with connect(database.environment) as other, other.cursor() as cursor:
        other.begin()
        cursor.execute("SELECT 1 FROM customers WHERE customer_id = 2 FOR UPDATE")
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            assert eventually(lambda: is_changing_customers(database), 20)
            process.kill()
        other.rollback()
    assert eventually(lambda: not other_connections(database), 20)

    assert database.execute("SELECT customer_id, age FROM customers") == ((1, 41), (2, 41))


def test_killed_at_any_moment_it_has_imported_all_or_nothing(importer: Importer, database: Database) -> None:
    importer.customers.write_text(as_csv(a_customer(i) for i in range(1, MANY + 1)))
    importer.loans.write_text(as_csv(a_loan(i, i) for i in range(1, MANY + 1)))
    files: list[str | Path] = ["--customers", importer.customers, "--loans", importer.loans]
    started = time.monotonic()
    subprocess.run([*IMPORT, *files, "--dry-run"], check=True, capture_output=True)
    takes = time.monotonic() - started

    for moment in range(1, 7):
        with subprocess.Popen([*IMPORT, *files], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            time.sleep(takes * (0.3 + 0.11 * moment))
            process.kill()
        assert eventually(lambda: not other_connections(database), 20)

        assert counts(database) in [(0, 0), (MANY, MANY)]
        ((told,),) = database.execute("SELECT COUNT(DISTINCT customer_id) FROM cache_invalidations")
        assert told == counts(database)[0]
        database.clear()


def is_changing_customers(database: Database) -> bool:
    running = database.execute("SELECT info FROM information_schema.processlist WHERE db = DATABASE()")
    return any(text is not None and customer_merge.UPDATE.strip() in text for (text,) in running)


@contextmanager
def held_up(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Let the process run only after this one on its processor: it finds what is sent to it meanwhile all at once."""
    processors, own = os.sched_getaffinity(process.pid), os.sched_getaffinity(0)
    for pid in (0, process.pid):
        os.sched_setaffinity(pid, {min(processors)})
    os.sched_setscheduler(process.pid, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setaffinity(process.pid, processors)
        os.sched_setaffinity(0, own)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process be held up")
def test_an_interrupted_import_leaves_nothing_behind(importer: Importer, database: Database) -> None:
    with import_in_the_middle(importer, database) as (process, loans):
        with held_up(process):
            loans.write(as_csv([a_loan(1, MANY + 1)]))
            loans.flush()
            process.send_signal(signal.SIGINT)

        assert process.wait(60) == 130
        assert last_line(process) == "import: Interrupted. Nothing was imported."
    assert counts(database) == (0, 0)


def test_an_import_that_loses_its_connection_leaves_nothing_behind(importer: Importer, database: Database) -> None:
    with import_in_the_middle(importer, database) as (process, loans):
        database.execute(f"KILL {other_connections(database)[0]}")
        loans.close()

        assert process.wait() == 1
        assert last_line(process).startswith("import: The database failed: ")
    assert counts(database) == (0, 0)


def test_two_imports_at_once_do_not_mix(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection, "LOCK_WAIT_SECONDS", 0)
    other_file = tmp_path / "others.csv"
    other_file.write_text(as_csv([a_customer(7)]))
    with import_in_the_middle(importer, database) as (process, loans):
        other = importer.run(other_file, None)
        loans.close()
        process.wait()

    assert (other.status, other.err) == (
        1,
        "import: Another import into this database is running. Nothing was imported.\n",
    )
    assert counts(database) == (1, MANY)


class Before:
    """A cursor that does something just before a certain statement."""

    def __init__(self, cursor: Cursor, statement: str, action: Callable[[], object]) -> None:
        self._cursor, self._statement, self._action = cursor, statement, action

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        if sql == self._statement:
            self._action()
        return self._cursor.execute(sql, parameters or None)

    def fetchall(self) -> tuple[tuple[Any, ...], ...]:
        return self._cursor.fetchall()


def just_before(statement: str, action: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the action done while the import has its transaction open."""

    def stepping(merge: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda cursor: merge(Before(cursor, statement, action))

    monkeypatch.setattr(merging, "merge_loans", stepping(merge_loans))
    monkeypatch.setattr(merging, "merge_progress", stepping(merge_progress))


def test_an_id_that_another_takes_meanwhile_is_compared_again(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer([a_customer(1), a_customer(2)])
    take = (
        "INSERT IGNORE INTO loans (customer_id, external_loan_id, loan_amount, tenure, monthly_repayment,"
        " start_date, end_date, status) VALUES (2, '11', 500, 1, 500, '2026-11-23', '2026-12-23', 'APPROVED')"
    )
    just_before(loan_merge.INSERT, lambda: database.execute(take), monkeypatch)

    outcome = importer(loans=[a_loan(2, 11), a_loan(2, 21)])

    assert (outcome.status, outcome.counts("loans")) == (0, [1, 1, 0])
    assert database.execute("SELECT external_loan_id, loan_amount FROM loans ORDER BY external_loan_id") == (
        ("11", 100000),
        ("21", 100000),
    )


@pytest.mark.parametrize(("deadlocks", "status", "loans"), [(1, 0, 1), (2, 0, 1), (3, 1, 0)])
def test_a_deadlock_is_tried_again_twice(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch, deadlocks: int, status: int, loans: int
) -> None:
    left = [pymysql.OperationalError(ER.LOCK_DEADLOCK, "Deadlock found")] * deadlocks

    def fail() -> None:
        if left:
            raise left.pop()

    just_before(loan_merge.INSERT, fail, monkeypatch)
    outcome = importer([a_customer(1), a_customer(2, age="?")], [a_loan(1, 11)])

    assert outcome.status == status
    assert counts(database) == (2 * loans, loans)


def test_a_lost_answer_to_commit_is_not_taken_for_a_failure(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = pymysql.connections.Connection.commit

    def commit_and_lose_the_answer(self: "pymysql.connections.Connection[Cursor]") -> None:
        commit(self)
        raise pymysql.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")

    monkeypatch.setattr(pymysql.connections.Connection, "commit", commit_and_lose_the_answer)
    outcome = importer([a_customer(1)])

    assert outcome.status == 1
    assert "The answer to COMMIT was lost: all of the import stands or nothing." in outcome.err
    assert "Nothing was imported" not in outcome.err
    assert counts(database) == (1, 0)


def test_customers_of_whom_nothing_changes_may_borrow_meanwhile(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [a_customer(i) for i in range(1, 6)]
    importer(customers, [a_loan(1, 11), a_loan(2, 21), a_loan(3, 31)])
    free = []

    def look() -> None:
        for customer_id in range(1, 6):
            with suppress(pymysql.OperationalError):
                database.execute("SELECT 1 FROM customers WHERE customer_id = %s FOR UPDATE NOWAIT", [customer_id])
                database.execute("SELECT 1 FROM loans WHERE customer_id = %s FOR UPDATE NOWAIT", [customer_id])
                free.append(customer_id)

    just_before(progress_merge.FIND_REPEATED, look, monkeypatch)
    importer(
        [a_customer(1), a_customer(2), a_customer(3), a_customer(4, age=50), a_customer(5)],
        [a_loan(1, 11), a_loan(2, 21, tenure=24), a_loan(3, 31), a_loan(5, 51)],
    )

    assert free == [1, 3]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DB_PORT", "1", "The database failed: Can't connect"),
        ("DB_NAME", "", "DB_NAME is not set"),
        ("BUSINESS_TIMEZONE", "Mars/Olympus", "BUSINESS_TIMEZONE must be"),
    ],
)
def test_settings_that_lead_nowhere_are_said(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)

    outcome = importer([a_customer(1)])

    assert outcome.status == 1
    assert outcome.err.startswith(f"import: {complaint}")
    assert outcome.err.endswith("Nothing was imported.\n")
