"""Hypothesis strategies for legal but odd HTTP requests: any method, route, header and body."""

import gzip

from hypothesis import strategies as st

from testkit.served import HttpRequest
from tests.contract.bodies import bodies, nearly_valid_bodies, valid_bodies

ROUTES = ("/check-eligibility", "/create-loan")

ODD_METHODS = ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "LINK", "PROPFIND")

ODD_TARGETS = (
    *("/", "/check-eligibility/", "//check-eligibility", "/CREATE-LOAN", "/check-eligibility/1001", "/create-loan;a=1"),
    *(
        "/%63reate-loan",
        "/create-loan%00",
        "/create-loan%2F",
        "/%ff%fe",
        "/../create-loan",
        "/$default",
        "/" + "a" * 2000,
    ),
    *("/check-eligibility?customer_id=1001", "/create-loan?", "/create-loan?a=%ff&a=&&=", "/create-loan#loans"),
)

CONTENT_TYPES = (
    *("application/json", "application/json; charset=utf-8", "application/json; charset=utf-16", "APPLICATION/JSON"),
    *("text/plain", "text/json", "application/problem+json", "application/x-www-form-urlencoded", "application/xml"),
    *("multipart/form-data; boundary=x", "application/octet-stream", "image/png", "", "garbage", ";", "*/*"),
)

ODD_HEADERS = (
    *(("Accept", "text/html"), ("Accept", "*/*;q=0"), ("Accept-Encoding", "br;q=1"), ("Content-Encoding", "gzip")),
    *(("Cookie", "a=1; b"), ("X-Forwarded-For", "garbage"), ("X-Amzn-Trace-Id", "Root="), ("If-None-Match", "*")),
    *(("Authorization", "Basic Og=="), ("Range", "bytes=0-1"), ("X-Latin-1", "caf\xe9"), ("Cache-Control", "no-store")),
)


idempotency_keys = st.one_of(
    st.uuids().map(str),
    st.sampled_from(["", "a", "a" * 255, "a" * 256, "a" * 4000, "caf\xe9", "a\tb", '"quoted"', "0", "~ ~"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=300),
)


def _with_length(body: str, length: int) -> bytes:
    """Return the body with white space before it, so that it has this many bytes."""
    return body.encode("utf-8").rjust(length)


raw_bodies = st.one_of(
    bodies.map(lambda body: body.encode("utf-8")),
    nearly_valid_bodies().map(lambda body: body.encode("utf-8")),
    valid_bodies().map(lambda body: body.encode("utf-8")),
    # Around the limit of 8 KiB, and far over it.
    st.builds(_with_length, valid_bodies(), st.sampled_from([8191, 8192, 8193, 8194, 20_000, 300_000])),
    # Nested deeper than a parser recurses.
    st.builds(
        lambda opening, depth: (opening * depth).encode(),
        st.sampled_from(["[", '{"a":', '{"tenure":[', "[{}", '[{"":']),
        st.integers(1, 2000),
    ),
    st.integers(1, 4096).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(1, 1300).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
    # Not UTF-8.
    st.binary(max_size=200),
    valid_bodies().map(lambda body: body.encode("utf-16")),
    valid_bodies().map(lambda body: gzip.compress(body.encode("utf-8"))),
    st.sampled_from([b"\xff", b'{"tenure\xff": 12}', b'"\xed\xa0\x80"', b"\xef\xbb\xbf{}", b"\x00"]),
)

http_requests = st.builds(
    HttpRequest,
    method=st.just("POST") | st.just("POST") | st.just("POST") | st.sampled_from(ODD_METHODS),
    target=st.sampled_from(ROUTES) | st.sampled_from(ROUTES) | st.sampled_from(ROUTES) | st.sampled_from(ODD_TARGETS),
    headers=st.tuples(
        st.lists(st.sampled_from(CONTENT_TYPES).map(lambda value: ("Content-Type", value)), max_size=1),
        st.lists(idempotency_keys.map(lambda value: ("Idempotency-Key", value)), max_size=2),
        st.lists(st.sampled_from(ODD_HEADERS), max_size=2, unique_by=lambda header: header[0]),
    ).map(lambda groups: [header for group in groups for header in group]),
    body=raw_bodies,
    chunked=st.booleans(),
)
