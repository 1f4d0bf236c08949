"""The verdict of openapi.yaml on a request body."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from jsonschema_rs import ValidationError, ValidationErrorKind

from tests.contract.contract import exact_json, validator

MAX_BODY_BYTES = 8192

MALFORMED, TOO_LARGE = "malformed", "too large"

SCHEMAS = {"/check-eligibility": "LoanApplication", "/create-loan": "LoanRequest"}
VALIDATORS = {path: validator({"$ref": f"#/components/schemas/{name}"}) for path, name in SCHEMAS.items()}


def contract_verdict(path: str, body: str) -> str | set[str]:
    """Return MALFORMED or TOO_LARGE, or pointers to the wrong fields; none when the body is right."""
    if len(body.encode("utf-8")) > MAX_BODY_BYTES:
        return TOO_LARGE
    try:
        document = exact_json(body)
    except ValueError:
        return MALFORMED
    wrong = {pointer for error in VALIDATORS[path].iter_errors(document) for pointer in _pointers(error)}
    if isinstance(document, dict):
        wrong |= set(_too_many_decimals(document))
        if not wrong and _costs_nothing(document):
            return {"/loan_amount"}
    return wrong


def _too_many_decimals(document: dict[str, object]) -> Iterator[str]:
    """Yield pointers to numbers with more than two decimals, which the contract says in prose."""
    for name in ("loan_amount", "interest_rate", "highest_interest_rate"):
        number = document.get(name)
        if isinstance(number, Decimal) and number != 0:
            # Beyond these exponents it is wrong whatever its digits, and too long for a fraction.
            sane = -6000 < number.adjusted() < 6000
            if not sane or (Fraction(number) * 100).denominator != 1:
                yield f"/{name}"


def _costs_nothing(document: dict[str, object]) -> bool:
    """Return whether the installment rounds to 0.00 at the asked rate, by the annuity's formula in fractions."""
    amount, rate, tenure = (
        Fraction(Decimal(str(document[name]))) for name in ("loan_amount", "interest_rate", "tenure")
    )
    monthly = rate / 1200
    growth = (1 + monthly) ** int(tenure)
    installment = amount * monthly * growth / (growth - 1) if rate else amount / tenure
    return installment * 200 <= 1  # half a cent is rounded to the even one


def _pointers(error: ValidationError) -> list[str]:
    """Return pointers to the subject of an error: a missing or unknown field itself, not the object around it."""
    match error.kind:
        case ValidationErrorKind.Required(property=name):
            names = [name]
        case ValidationErrorKind.AdditionalProperties(unexpected=unexpected):
            names = unexpected
        case _:
            return ["".join(f"/{step}" for step in error.instance_path)]
    return ["/" + name.replace("~", "~0").replace("/", "~1") for name in names]
