"""Decides in bulk: `python -m policies.decide applications.csv` answers each line of a CSV, as of today.

For re-pricing and pre-approval: nothing is lent. The answers go into a file beside it, line by line in the same order.
A run that was killed goes on behind the last whole line of that file.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from lending import wiring
from lending.config import InvalidSettingError
from lending.domain.eligibility import decide
from lending.domain.policy import Policy
from lending.domain.scoring import CreditProfile, assess
from lending.errors import StoreUnavailableError
from lending.requests import LOAN_REQUEST
from policies.applications import ApplicationFileError, Asked, read_csv

PIECE = 1000
"""Lines that are read with one statement, and written at once."""
TITLES = (
    *("line", *LOAN_REQUEST, "business_date", "policy", "approved", "credit_score", "corrected_interest_rate"),
    *("monthly_installment", "highest_loan_amount", "shortest_tenure", "reason_codes", "error"),
)
UNKNOWN = "no such customer"


def decide_file(path: Path, answers: Path) -> int:
    """Append the answers that are still to be given; return how many those were.

    Raises:
        ApplicationFileError: The file is not fit, or the answers are of another one.
        StoreUnavailableError: The database is away. What was answered so far stays.
    """
    done = _answered(answers)
    lines = read_csv(path)
    for number in range(done):
        if next(lines, None) is None:
            raise ApplicationFileError(f"{answers.name} has {done} answers, {path.name} only {number} lines")
    count = 0
    with answers.open("a", encoding="utf-8", newline="") as file:
        if answers.stat().st_size == 0:
            file.write(_csv([TITLES]))
        with tqdm(desc=path.name, unit="line", unit_scale=True, disable=None) as bar:
            while piece := list(islice(lines, PIECE)):
                today = wiring.today()
                file.write(_csv(_decided(piece, today, wiring.policy_of(today))))
                file.flush()
                count += len(piece)
                bar.update(len(piece))
    return count


def _answered(answers: Path) -> int:
    """Return how many answers there are, and cut off the one that a killed run left unfinished."""
    if not answers.exists():
        return 0
    whole, count = 0, 0
    with answers.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                whole, count = whole + len(line), count + 1
    with answers.open("rb+") as file:
        file.truncate(whole)
    return max(count - 1, 0)


def _decided(piece: Sequence[Asked], today: date, policy: Policy) -> list[list[str]]:
    customer_ids = {asked.application.customer_id for asked in piece if asked.application is not None}
    records = wiring.loan_store().credit_records(sorted(customer_ids), today) if customer_ids else []
    profiles = {record.customer_id: assess(record, today, policy) for record in records}
    return [_answer(asked, profiles) for asked in piece]


def _answer(asked: Asked, profiles: dict[int, CreditProfile]) -> list[str]:
    known = [str(asked.line), *(asked.values.get(name, "") for name in LOAN_REQUEST)]
    profile = None if asked.application is None else profiles.get(asked.application.customer_id)
    if asked.application is None or profile is None:
        return [*known, *[""] * (len(TITLES) - len(known) - 1), asked.fault or UNKNOWN]
    decision = decide(asked.application, profile)
    return [
        *known,
        str(profile.as_of),
        profile.policy.hash,
        "true" if decision.approved else "false",
        str(decision.credit_score),
        str(decision.corrected_interest_rate),
        str(decision.monthly_installment),
        str(decision.highest_loan_amount),
        "" if decision.shortest_tenure is None else str(decision.shortest_tenure),
        " ".join(reason.value for reason in decision.reason_codes),
        "",
    ]


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m policies.decide", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="a CSV with the contract's fields as titles")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="default: FILE.decided.csv")
    given = parser.parse_args(arguments)
    answers = given.answers or given.file.with_suffix(".decided.csv")
    try:
        count = decide_file(given.file, answers)
    except (ApplicationFileError, InvalidSettingError, StoreUnavailableError, OSError) as exc:
        sys.exit(f"decide: {exc} What is in {answers} stands; the same command goes on from there.")
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"{count} applications are decided in {answers}")


if __name__ == "__main__":
    main()
