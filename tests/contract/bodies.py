"""Hypothesis strategies for request bodies as JSON text: right, nearly right and far off."""

import json

from hypothesis import strategies as st

VALID_BODY = '{"customer_id": 1001, "loan_amount": 100000.00, "interest_rate": 8.00, "tenure": 12}'

FIELDS = ("customer_id", "loan_amount", "interest_rate", "tenure")
OPTIONAL = "highest_interest_rate"  # create-loan alone takes it

# Both sides of every bound of the contract, in every notation that JSON has for a number.
ODD_NUMBERS = (
    *("0", "-0", "0.0", "-0.0", "0e5", "-1", "1", "1.0", "1e0", "1.2e1", "12.0", "12.5"),
    *("0.01", "1e-2", "0.010", "0.009", "1e-3", "0.35", "0.57", "8884.88", "0.35000000000000003", "0.570000000000000"),
    *("480", "480.0", "4.8E+2", "480.01", "481", "4294967295", "4294967295.0", "4294967296", "42949672950e-1"),
    *("100", "100.00", "1e2", "100.01", "100.001", "101", "99.99", "99.990", "99.999"),
    *("9999999999.99", "9999999999.990", "9999999999.991", "9999999999.9899", "10000000000", "1e10", "999999999999e-2"),
    *("1e400", "-1e400", "1e-400", "0e400", "1e-1000000", "1e1000000", "0e-1000000"),
    *("1" * 4301, "-" + "9" * 5000, "1." + "0" * 5000, "0." + "0" * 5000 + "1"),
)

_SPACES = st.text(alphabet=" \t\r\n", max_size=2)


def _decimals(smallest: int, largest: int) -> st.SearchStrategy[str]:
    """Numbers with two decimals. The bounds are in hundredths."""
    return st.integers(smallest, largest).map(lambda hundredths: f"{hundredths // 100}.{hundredths % 100:02d}")


number_texts = st.one_of(
    st.sampled_from(ODD_NUMBERS),
    st.integers(-10, 5_000_000_000).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
)

junk_texts = st.one_of(
    st.sampled_from(["null", "true", "false", '"5"', '"12"', '""', "[]", "{}", "[12]", '{"value": 12}', '"\\u0000"']),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
        max_leaves=5,
    ).map(json.dumps),
)

valid_values = {
    "customer_id": st.one_of(
        st.integers(1, 4294967295).map(str),
        st.integers(1001, 2000).map(str),  # the customers of the sample portfolio
        st.sampled_from(["1001", "1", "4294967295", "1001.0", "1.001e3"]),
    ),
    "loan_amount": st.one_of(
        _decimals(smallest=1, largest=999999999999),
        st.integers(1, 9999999999).map(str),
        st.sampled_from(["0.01", "1e-2", "9999999999.99", "9999999999.9900", "1e9"]),
    ),
    "interest_rate": st.one_of(
        _decimals(smallest=0, largest=10000),
        st.sampled_from(["0", "-0", "0.00", "100", "100.000", "1e2", "0e400"]),
    ),
    "tenure": st.one_of(st.integers(1, 480).map(str), st.sampled_from(["1", "480", "12.0", "1.2e1", "480.000"])),
}
valid_values[OPTIONAL] = valid_values["interest_rate"]

UNKNOWN_NAMES = ("", "Tenure", "tenure ", "a/b", "m~n", "~1", "/", "id", "__proto__", "ténure")


@st.composite
def valid_bodies(draw: st.DrawFn) -> str:
    """Bodies that the contract accepts, their fields in any order; few have an installment of 0.00."""
    names = draw(st.permutations(FIELDS))
    return _object(draw, [(name, draw(valid_values[name])) for name in names])


@st.composite
def nearly_valid_bodies(draw: st.DrawFn) -> str:
    """Objects with some fields odd, missing, unknown or repeated."""
    members = []
    names = (*FIELDS, OPTIONAL) if draw(st.booleans()) else FIELDS
    for name in draw(st.permutations(names)):
        kind = draw(st.sampled_from(["valid", "valid", "valid", "number", "number", "junk", "missing"]))
        if kind == "valid":
            members.append((name, draw(valid_values[name])))
        elif kind == "number":
            members.append((name, draw(number_texts)))
        elif kind == "junk":
            members.append((name, draw(junk_texts)))
    if draw(st.integers(0, 4)) == 0:
        members.append((draw(st.sampled_from(UNKNOWN_NAMES) | st.text()), draw(junk_texts | number_texts)))
    if members and draw(st.integers(0, 9)) == 0:
        members.append((draw(st.sampled_from(members))[0], draw(number_texts)))
    return _object(draw, members)


# Texts that are no JSON, some of which lenient parsers accept.
BROKEN_BODIES = (
    *("", " ", "NaN", "-Infinity", "{", "}", "{]", "nul", "'a'", "\ufeff{}", "{}{}", "[1,]", "{,}"),
    *("+1", ".5", "1.", "01", '{"tenure": 012}', '{"tenure": 1_2}', '{"tenure": 0x10}', '{"tenure": 12} // months'),
    *('{"tenure": 12,}', "{tenure: 12}", '{"tenure": "\t"}', '{"tenure": NaN}', '{"loan_amount": Infinity}'),
    *('{"a": 1, "a": 1}', '[{"a": 1, "a": 1}]', '{"tenure": 12, "tenure": 12}', '{"a": {"b": 1, "\\u0062": 1}}'),
)

broken_bodies = st.one_of(
    st.text(),
    st.sampled_from(BROKEN_BODIES),
    valid_bodies().flatmap(lambda body: st.integers(0, len(body) - 1).map(lambda end: body[:end])),
)

bodies = st.one_of(valid_bodies(), nearly_valid_bodies(), junk_texts, number_texts, broken_bodies)


def _object(draw: st.DrawFn, members: list[tuple[str, str]]) -> str:
    """Write an object with white space wherever JSON allows it, and with names escaped or not."""
    written = [
        f"{draw(_SPACES)}{json.dumps(name, ensure_ascii=draw(st.booleans()))}{draw(_SPACES)}:{draw(_SPACES)}{value}"
        for name, value in members
    ]
    return "{" + ",".join(written) + draw(_SPACES) + "}"
