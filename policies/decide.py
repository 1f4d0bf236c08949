"""Decides in bulk: `python -m policies.decide applications.csv` answers each line of a CSV, as of today.

For re-pricing and pre-approval: nothing is lent. The answers go into a file beside it, line by line in the same order.
A run that was killed goes on behind the last whole line of that file, where its answers are of these lines and of the
policy in force.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import islice
from pathlib import Path
from typing import BinaryIO

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
ECHOED = ("line", *LOAN_REQUEST)
TITLES = (
    *(*ECHOED, "business_date", "policy", "approved", "credit_score", "corrected_interest_rate"),
    *("monthly_installment", "highest_loan_amount", "shortest_tenure", "reason_codes", "error"),
)
HEAD = (",".join(TITLES) + "\n").encode()
UNKNOWN = "no such customer"


def decide_file(path: Path, answers: Path, *, any_policy: bool = False) -> int:
    """Append the answers that are still to be given; return how many those were.

    Raises:
        ApplicationFileError: The file is not fit, or the answers are of another one, of another policy (unless any will
            do) or being written by another run.
        StoreUnavailableError: The database is away. What was answered so far stays.
    """
    lines = read_csv(path)
    count = 0
    with answers.open("ab+") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError as exc:
            raise ApplicationFileError(f"another run is writing {answers.name}") from exc
        so_far = _passed_over(lines, path.name, file, answers.name)
        with tqdm(desc=path.name, unit="line", unit_scale=True, disable=None) as bar:
            while piece := list(islice(lines, PIECE)):
                today = wiring.today()
                policy = wiring.policy_of(today)
                if so_far not in {"", policy.hash} and not any_policy:
                    raise ApplicationFileError(
                        f"{answers.name} has answers under the policy {so_far}, in force is {policy.hash}: "
                        "--any-policy goes on under that, another --answers begins anew"
                    )
                so_far = policy.hash
                file.write(_csv(_decided(piece, today, policy)))
                file.flush()
                count += len(piece)
                bar.update(len(piece))
    return count


def _passed_over(lines: Iterator[Asked], name: str, file: BinaryIO, answers: str) -> str:
    """Pass over the lines that are answered; return the hash of the last answer's policy, or nothing.

    The answer that a killed run left unfinished is cut off, once all before it are known to be of these lines.
    """
    file.seek(0)
    titles, so_far = file.readline(), ""
    if titles != HEAD:
        if not HEAD.startswith(titles):
            raise ApplicationFileError(f"{answers} is no file of answers: its first line is not their titles")
        file.truncate(0)
        file.write(HEAD)
        return so_far
    whole = len(HEAD)
    for number, line in enumerate(file, start=2):
        if not line.endswith(b"\n"):
            break
        answer, asked = _cells(line), next(lines, None)
        if asked is None:
            raise ApplicationFileError(f"{answers} has {number - 1} answers, {name} fewer lines")
        if len(answer) != len(TITLES) or answer[: len(ECHOED)] != _echo(asked):
            raise ApplicationFileError(f"{answers}, line {number}: no answer to line {asked.line} of {name}")
        so_far = answer[TITLES.index("policy")] or so_far
        whole += len(line)
    file.truncate(whole)
    return so_far


def _cells(line: bytes) -> list[str]:
    """Return the cells of a line of answers; none where it is not one."""
    try:
        return next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def _decided(piece: Sequence[Asked], today: date, policy: Policy) -> list[list[str]]:
    customer_ids = {asked.application.customer_id for asked in piece if asked.application is not None}
    records = wiring.loan_store().credit_records(sorted(customer_ids), today) if customer_ids else []
    profiles = {record.customer_id: assess(record, today, policy) for record in records}
    return [_answer(asked, profiles) for asked in piece]


def _echo(asked: Asked) -> list[str]:
    return [str(asked.line), *(asked.values.get(name, "") for name in LOAN_REQUEST)]


def _answer(asked: Asked, profiles: dict[int, CreditProfile]) -> list[str]:
    known = _echo(asked)
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


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(prog="python -m policies.decide", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="a CSV with the contract's fields as titles")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="default: FILE.decided.csv")
    parser.add_argument("--any-policy", action="store_true", help="go on with answers of another policy")
    given = parser.parse_args(arguments)
    answers = given.answers or given.file.with_suffix(".decided.csv")
    try:
        count = decide_file(given.file, answers, any_policy=given.any_policy)
    except (ApplicationFileError, InvalidSettingError, StoreUnavailableError, OSError) as exc:
        sys.exit(f"decide: {exc}\nWhat is in {answers} stands; the same command goes on from there.")
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"{count} applications are decided in {answers}")


if __name__ == "__main__":
    main()
