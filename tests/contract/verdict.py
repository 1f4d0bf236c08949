"""The verdict of openapi.yaml on a request body."""

from jsonschema_rs import ValidationError, ValidationErrorKind

from tests.contract.contract import exact_json, validator

MAX_BODY_BYTES = 8192

MALFORMED = "malformed"

application_validator = validator({"$ref": "#/components/schemas/LoanApplication"})


def contract_verdict(body: str) -> str | set[str]:
    """Return MALFORMED, or pointers to the wrong fields; no pointers if the body is right."""
    if len(body.encode("utf-8")) > MAX_BODY_BYTES:
        return MALFORMED
    try:
        document = exact_json(body)
    except ValueError:
        return MALFORMED
    return {pointer for error in application_validator.iter_errors(document) for pointer in _pointers(error)}


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
