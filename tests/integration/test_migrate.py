"""The migration runner on its own databases, and rows that the schema refuses."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pymysql
import pytest

from db.errors import MigrationError
from db.migrate import FOLDER, migrate
from testkit.database import Database, connect, own_database

SHELF = "CREATE TABLE shelf (\n    shelf_id INT NOT NULL PRIMARY KEY -- from the left; above 0\n);\n"
BOOK = "CREATE TABLE book (book_id INT NOT NULL PRIMARY KEY);\n"
FIRST_BOOK, SECOND_BOOK = "INSERT INTO book VALUES (1);\n", "INSERT INTO book VALUES (2);\n"
NO_BOOK = "DELETE FROM nowhere;\n"


@pytest.fixture
def fresh(mysql_environment: dict[str, str]) -> Iterator[Database]:
    """A database without a table."""
    with own_database(mysql_environment, "fresh") as database:
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one migration."""
    (tmp_path / "0001_shelf.sql").write_text(SHELF)
    (tmp_path / "README.txt").write_text("is no migration")
    return tmp_path


def tables(database: Database) -> set[str]:
    return {name for (name,) in database.execute("SHOW TABLES")}


def test_a_fresh_database_gets_every_migration_in_order(fresh: Database) -> None:
    applied = migrate(fresh.connection)

    assert applied == sorted(path.stem for path in FOLDER.glob("*.sql"))
    assert {"customers", "loans", "schema_migrations"} <= tables(fresh)


def test_a_second_run_does_nothing(fresh: Database) -> None:
    migrate(fresh.connection)
    history = fresh.execute("SELECT * FROM schema_migrations")

    assert migrate(fresh.connection) == []
    assert fresh.execute("SELECT * FROM schema_migrations") == history


def test_a_new_migration_is_applied_alone(fresh: Database, folder: Path) -> None:
    migrate(fresh.connection, folder)
    (folder / "0002_book.sql").write_text(BOOK)

    assert migrate(fresh.connection, folder) == ["0002_book"]
    assert tables(fresh) == {"schema_migrations", "shelf", "book"}


def test_a_connection_without_autocommit_keeps_what_it_applied(fresh: Database, folder: Path) -> None:
    (folder / "0002_fill.sql").write_text("INSERT INTO shelf VALUES (1);\nINSERT INTO shelf VALUES (2);\n")
    with connect(fresh.environment) as connection:
        connection.autocommit(False)  # noqa: FBT003 - PyMySQL's signature
        migrate(connection, folder)

    assert fresh.execute("SELECT shelf_id FROM shelf ORDER BY shelf_id") == ((1,), (2,))
    assert migrate(fresh.connection, folder) == []


def test_an_applied_file_may_not_be_edited(fresh: Database, folder: Path) -> None:
    migrate(fresh.connection, folder)
    (folder / "0001_shelf.sql").write_text(SHELF + BOOK)
    (folder / "0002_more.sql").write_text("CREATE TABLE more (more_id INT);\n")

    with pytest.raises(MigrationError, match=r"0001_shelf\.sql was edited after it had been applied"):
        migrate(fresh.connection, folder)
    assert tables(fresh) == {"schema_migrations", "shelf"}


def test_two_files_may_not_have_one_number(fresh: Database, folder: Path) -> None:
    """Two merged branches have both added the next migration."""
    (folder / "0002_book.sql").write_text(BOOK)
    (folder / "0002_more.sql").write_text("CREATE TABLE more (more_id INT);\n")

    with pytest.raises(MigrationError, match="0002"):
        migrate(fresh.connection, folder)
    assert tables(fresh) <= {"schema_migrations"}


def test_a_database_ahead_of_the_files_is_left_alone(fresh: Database, folder: Path) -> None:
    """An older version of the service was deployed over a newer one."""
    (folder / "0003_book.sql").write_text(BOOK)
    migrate(fresh.connection, folder)
    (folder / "0003_book.sql").unlink()
    (folder / "0002_more.sql").write_text("CREATE TABLE more (more_id INT);\n")

    with pytest.raises(MigrationError, match="the database has had 0003_book, which this version does not know"):
        migrate(fresh.connection, folder)
    assert tables(fresh) == {"schema_migrations", "shelf", "book"}


def test_a_statement_that_fails_is_named_and_a_mended_file_goes_on_after_the_others(
    fresh: Database, folder: Path
) -> None:
    broken = folder / "0002_books.sql"
    broken.write_text(f"{BOOK}{FIRST_BOOK}{NO_BOOK}")
    (folder / "0003_more.sql").write_text("CREATE TABLE more (more_id INT);\n")

    with pytest.raises(MigrationError, match=r"0002_books\.sql, statement 3: .*nowhere"):
        migrate(fresh.connection, folder)
    after_failure = tables(fresh)
    broken.write_text(f"{BOOK}{FIRST_BOOK}{SECOND_BOOK}")
    applied = migrate(fresh.connection, folder)

    assert after_failure == {"schema_migrations", "shelf", "book"}
    assert applied == ["0002_books", "0003_more"]
    assert fresh.execute("SELECT book_id FROM book ORDER BY book_id") == ((1,), (2,))
    assert migrate(fresh.connection, folder) == [], "the mended file is the one that counts"


def test_a_trigger_that_was_made_before_the_run_was_cut_off_is_taken_for_made(fresh: Database, folder: Path) -> None:
    """DDL commits by itself: what was killed between a CREATE TRIGGER and its note meets the trigger again (1359)."""
    migrate(fresh.connection, folder)
    trigger = "CREATE TRIGGER shelved AFTER INSERT ON shelf FOR EACH ROW\nSET @shelved = NEW.shelf_id"
    (folder / "0002_trigger.sql").write_text(f"{trigger};\n{BOOK}")
    fresh.execute(trigger)
    fresh.execute(
        "INSERT INTO schema_migrations (version, name, checksum, statements_begun) VALUES (2, '0002_trigger', '', 1)"
    )

    assert migrate(fresh.connection, folder) == ["0002_trigger"]
    assert tables(fresh) == {"schema_migrations", "shelf", "book"}


def test_a_trigger_of_somebody_else_under_that_name_is_not(fresh: Database, folder: Path) -> None:
    migrate(fresh.connection, folder)
    trigger = "CREATE TRIGGER shelved AFTER INSERT ON shelf FOR EACH ROW\nSET @shelved = NEW.shelf_id"
    (folder / "0002_trigger.sql").write_text(f"{trigger};\n")
    fresh.execute(trigger)

    with pytest.raises(MigrationError, match=r"0002_trigger\.sql, statement 1: .*already"):
        migrate(fresh.connection, folder)


def test_two_runs_at_once_wait_for_each_other(fresh: Database, folder: Path) -> None:
    (folder / "0001_shelf.sql").write_text(f"DO SLEEP(0.3);\n{SHELF}DO SLEEP(0.3);\n{BOOK}")

    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        connections = [stack.enter_context(connect(fresh.environment)) for _ in range(2)]
        applied = list(pool.map(lambda connection: migrate(connection, folder), connections))

    assert sorted(applied) == [[], ["0001_shelf"]]


def test_the_lock_is_given_back_after_a_failure(fresh: Database, folder: Path) -> None:
    (folder / "0001_shelf.sql").write_text("NO SQL;\n")
    with connect(fresh.environment) as other:
        with pytest.raises(MigrationError, match=r"0001_shelf\.sql, statement 1"):
            migrate(fresh.connection, folder)
        (folder / "0001_shelf.sql").write_text(SHELF)

        assert migrate(other, folder) == ["0001_shelf"]


CUSTOMER = {
    "customer_id": 1001,
    "first_name": "Asha",
    "last_name": "Test",
    "age": 40,
    "phone_number": "+15550100",
    "monthly_salary": 90000,
    "approved_limit": 3000000,
    "current_debt": 0,
}
LOAN = {
    "customer_id": 1001,
    "loan_id": 5001,
    "loan_amount": 100000,
    "tenure": 12,
    "interest_rate": 12,
    "monthly_repayment": "8884.88",
    "emis_paid_on_time": 12,
    "start_date": "2024-01-15",
    "end_date": "2025-01-15",
    "status": "APPROVED",
}

# Every CHECK constraint of the schema with a row that only it refuses.
REFUSED: dict[str, tuple[str, dict[str, object]]] = {
    "customers_customer_id": ("customers", {"customer_id": 0}),
    "customers_monthly_salary": ("customers", {"monthly_salary": "-0.01"}),
    "customers_approved_limit": ("customers", {"approved_limit": "-0.01"}),
    "customers_on_hold": ("customers", {"on_hold": 2}),
    "customers_current_debt": ("customers", {"current_debt": "-0.01"}),
    "loans_loan_amount": ("loans", {"loan_amount": 0}),
    "loans_tenure": ("loans", {"tenure": 0, "emis_paid_on_time": 0}),
    "loans_interest_rate": ("loans", {"interest_rate": "100.01"}),
    "loans_monthly_repayment": ("loans", {"monthly_repayment": "-0.01"}),
    "loans_emis_paid_on_time": ("loans", {"emis_paid_on_time": 13}),
    "loans_dates": ("loans", {"end_date": "2024-01-14"}),
    "loans_status": ("loans", {"status": "approved"}),
}


def insert(database: Database, table: str, row: dict[str, object]) -> None:
    columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", list(row.values()))  # noqa: S608 - names of our own


@pytest.fixture
def book(database: Database) -> Database:
    """A database with one customer, who has one loan."""
    insert(database, "customers", CUSTOMER)
    insert(database, "loans", LOAN)
    return database


@pytest.mark.parametrize("constraint", REFUSED)
def test_a_row_that_the_rules_cannot_read_is_refused(book: Database, constraint: str) -> None:
    table, wrong = REFUSED[constraint]
    row = (
        CUSTOMER | {"customer_id": 1002, "phone_number": "+15550101"} if table == "customers" else LOAN | {"loan_id": 1}
    )

    with pytest.raises(pymysql.MySQLError, match=f"(?i)constraint.*{constraint}\\b"):
        insert(book, table, row | wrong)
    insert(book, table, row)  # without the one wrong value it is accepted


def test_every_check_constraint_has_its_refused_row(migrated_database: Database) -> None:
    rows = migrated_database.execute(
        "SELECT constraint_name FROM information_schema.table_constraints"
        " WHERE constraint_type = 'CHECK' AND table_schema = DATABASE()"
    )

    assert {name for (name,) in rows} == set(REFUSED)


@pytest.mark.parametrize("status", ["APPROVED", "PENDING", "PAID"])
def test_every_status_of_the_rules_is_taken(book: Database, status: str) -> None:
    insert(book, "loans", LOAN | {"loan_id": 5002, "status": status})

    assert book.execute("SELECT COUNT(*) FROM loans") == ((2,),)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("customers", CUSTOMER | {"phone_number": "+15550101"}),
        ("customers", CUSTOMER | {"customer_id": 1002}),
        ("loans", LOAN),
        ("loans", LOAN | {"loan_id": 5002, "customer_id": 1002}),
    ],
    ids=["customer id twice", "phone number twice", "loan id twice", "loan of nobody"],
)
def test_ids_and_phone_numbers_name_one_row(book: Database, table: str, row: dict[str, object]) -> None:
    with pytest.raises(pymysql.IntegrityError):
        insert(book, table, row)


def test_a_loan_id_is_nobody_elses_either(book: Database) -> None:
    insert(book, "customers", CUSTOMER | {"customer_id": 1002, "phone_number": "+15550101"})

    with pytest.raises(pymysql.IntegrityError, match="loans_loan_id"):
        insert(book, "loans", LOAN | {"customer_id": 1002})


def test_loans_lie_by_customer(migrated_database: Database) -> None:
    """The primary key keeps one customer's loans on a few pages."""
    rows = migrated_database.execute("SHOW INDEX FROM loans WHERE Key_name = 'PRIMARY'")

    assert [row[4] for row in rows] == ["customer_id", "loan_id"]
