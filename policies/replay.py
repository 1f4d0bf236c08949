"""Computes past decisions again from their records: `python -m policies.replay records.jsonl`.

Each is recomputed from its own figures, by the code of this release, under the policy that the record names. What comes
out must be what the record says, byte for byte.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from operator import index
from pathlib import Path
from typing import Any

from lending import wiring
from lending.decision_record import decision_record
from lending.domain.eligibility import decide
from lending.domain.loans import CreditRecord, LoanApplication
from lending.domain.policy import Policy, in_force
from lending.domain.scoring import assess
from policies.applications import ApplicationFileError, read_records

NAMES_OF_THE_FIRST = {"builtin-1"}
"""How records named the rules before these were policies."""
OUTCOME_UNKNOWN = 500
OF_THE_REQUEST = {"request_id", "gateway_request_id", "status", "cache", "service"}
"""What a line says beside its decision, and no figure explains."""
SHOWN = 20


def differences(record: Mapping[str, Any], policies: Sequence[Policy]) -> list[str]:
    """Return what of a record is not what its figures come to."""
    try:
        policy = in_force(policies, date.fromisoformat(record["business_date"]))
        named = record["policy"]
        if named != policy.hash and not (named in NAMES_OF_THE_FIRST and policy is policies[0]):
            return [f"policy: {named}, where this release has {policy.hash} for {record['business_date']}"]
        again = {**decided_again(record, policy), "policy": named, "loan_id": record["loan_id"]}
        unknown = sorted(record.keys() - again.keys() - OF_THE_REQUEST - _metrics(record))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        return [f"cannot be decided: {type(exc).__name__}: {exc}"]
    compared = [(name, _text(record[name]) if name in record else "nothing", _text(again[name])) for name in again]
    return [
        *(
            f"{name}: {recorded}, recomputed {computed}"
            for name, recorded, computed in compared
            if recorded != computed
        ),
        *_of_the_loan(record),
        *(f"{name}: not a member of a record" for name in unknown),
    ]


def _metrics(record: Mapping[str, Any]) -> set[str]:
    """Return the names of the metrics that stand beside a record in its line, and of what describes them."""
    if "_aws" not in record:
        return set()
    # Beside `service`, which is a member, a metric may be counted by version.
    return {"_aws", "version"} | {
        metric["Name"] for described in record["_aws"]["CloudWatchMetrics"] for metric in described["Metrics"]
    }


def _of_the_loan(record: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the loan that a record names or lacks."""
    loan_id, service = record["loan_id"], record.get("service")
    if record.get("status") == OUTCOME_UNKNOWN:
        return []  # whether it was lent, the record does not know
    if service == "create-loan" and record.get("approved") is True:
        return [] if type(loan_id) is int else [f"loan_id: {_text(loan_id)}, but an approved loan has one"]
    may_be_lent = service is None and record.get("approved") is True
    return [] if loan_id is None or may_be_lent else [f"loan_id: {_text(loan_id)}, but nothing was lent"]


def decided_again(record: Mapping[str, Any], policy: Policy) -> dict[str, object]:
    """Return the record that the figures of a record lead to, without the loan that was made."""
    figures, today = record["figures"], date.fromisoformat(record["business_date"])
    credit_record = CreditRecord(
        customer_id=index(record["customer_id"]),
        monthly_salary=Decimal(0),
        approved_limit=Decimal(0),
        on_hold=bool(figures["on_hold"]),
        loans=index(figures["loans"]),
        emis_paid_on_time=index(figures["emis_paid_on_time"]),
        tenure_months=index(figures["tenure_months"]),
        loans_this_year=index(figures["loans_this_year"]),
        lent_amount=Decimal(figures["lent_amount"]),
        current_amount=Decimal(int(figures["over_limit"])),
        # Of a salary of 0 they leave exactly the room that there was.
        current_installments=-Decimal(figures["room_for_installments"]),
        first_current_end=None,
    )
    highest_rate = record["highest_interest_rate"]
    application = LoanApplication(
        index(record["customer_id"]),
        Decimal(record["loan_amount"]),
        Decimal(record["interest_rate"]),
        index(record["tenure"]),
        None if highest_rate is None else Decimal(highest_rate),
    )
    profile = assess(credit_record, today, policy)
    members = decision_record(
        application, decide(application, profile), profile, principal=record["principal"], today=today
    )
    again: dict[str, object] = json.loads(f"{{{members}}}")
    return again


def _text(value: object) -> str:
    return json.dumps(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay the records of a file; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m policies.replay", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, metavar="FILE", help="decision records, one JSON a line")
    file = parser.parse_args(arguments).file
    counted: Counter[str] = Counter()
    policies = wiring.policies()
    try:
        for line, record in read_records(file):
            found = [] if record is None else differences(record, policies)
            counted["skipped" if record is None else "different" if found else "equal"] += 1
            if record is not None and found and counted["different"] <= SHOWN:
                print(f"line {line}, request {record.get('request_id')}: {'; '.join(found)}")
    except ApplicationFileError as exc:
        sys.exit(f"replay: {exc}")
    print(
        f"{counted['equal']} decisions are what their figures come to, {counted['different']} are not; "
        f"{counted['skipped']} lines decided nothing themselves (errors, repetitions)."
    )
    return 1 if counted["different"] or not counted["equal"] else 0


if __name__ == "__main__":
    sys.exit(main())
