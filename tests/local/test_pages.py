"""The pages that `make run` shows; `make browser` looks at them with a browser, and at what they do when stores go."""

import json
import math
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from html import unescape
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urljoin
from wsgiref.util import setup_testing_defaults

import pytest
import redis

from lending.adapters.redis_connection import Wait
from lending.responses import INTERNAL_ERROR, PROBLEMS
from local.front.pages import PORT_VARIABLE, is_page, with_pages
from local.pages import contract
from local.pages.cache import ONLY_HERE, ONLY_IN_AWS, CachePage
from local.pages.entries import Seen, Walk
from local.pages.rendering import Page
from local.pages.site import Site
from local.pages.stores import PATIENCE
from local.pages.tally import MOST_BYTES, Tally, percentile
from local.servers.server import Server
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.service import Service, use_patience
from testkit.template import ROOT
from testkit.waiting import eventually

HOST = "127.0.0.1:3000"
ASHA = 1001


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the functions have printed: nothing yet."""
    log = tmp_path / "lambda.log"
    log.touch()
    return log


@pytest.fixture
def site(log: Path, service: Service, database: Database) -> Site:  # noqa: ARG001 - it wires the stores
    """The pages on a real database with one customer, and a real Redis; they share the service's own connections."""
    database.add_customer(ASHA, Customer(Decimal(100_000), Decimal(1_000_000)), [a_loan()] * 3)
    return Site(log, places=1)


def html(page: Page) -> str:
    return page.body.decode()


DECISION: dict[str, Any] = {
    "customer_id": 7,
    "loan_amount": 100000,
    "interest_rate": 8,
    "tenure": 12,
    "corrected_interest_rate": 8,
    "approved": True,
    "reason_codes": [],
    "credit_score": 50,
    "cache": "hit",
    "first_request_id": None,
}


def line(latency: object = 1.0, at: object = 0, **fields: Any) -> str:
    """Return a line of metrics as the functions print it."""
    counted = [name for name in fields if name[0].isupper()]
    metrics = [{"Name": name, "Unit": "Count"} for name in counted] + [{"Name": "Latency", "Unit": "Milliseconds"}]
    aws = {"Timestamp": at or 1000 * time.time(), "CloudWatchMetrics": [{"Metrics": metrics}]}
    values = {name: [value] if name in counted else value for name, value in fields.items()}
    return json.dumps({"_aws": aws, "status": 200, **values, "Latency": [latency]}) + "\n"


@pytest.mark.usefixtures("service")
def test_the_panels_have_the_names_of_the_dashboard(log: Path) -> None:
    """Each panel of the dashboard is on the page, or is said to be for AWS alone."""
    of_dashboard = set(re.findall(r'"title": "([^"]+)"', (ROOT / "template.yaml").read_text(encoding="utf-8")))
    shown = re.findall(r'-title">([^<]+)</h2>', html(CachePage(Tally(log)).look()))

    assert len(shown) == len(set(shown))
    assert set(shown) - ONLY_HERE == of_dashboard - ONLY_IN_AWS.keys()
    assert of_dashboard >= ONLY_IN_AWS.keys()
    assert not of_dashboard & ONLY_HERE


def test_a_script_in_a_name_stays_text(site: Site, database: Database) -> None:
    database.execute("UPDATE customers SET last_name = '<script>alert(1)</script>'")

    for path in ("/", f"/customers/{ASHA}"):
        assert "<script>alert" not in html(site.page(path, HOST))
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html(site.page(path, HOST))


def test_what_is_asked_stays_text_too(site: Site) -> None:
    page = html(site.page(f"/customers/{ASHA}?loan_amount=%22%3E%3Cscript%3E&tenure=1e999999", HOST))

    assert "<script>" not in page
    assert "/loan_amount must be a number" in page
    assert "/tenure must be" in page
    [curl] = re.findall(r'<pre [^>]*id="curl"[^>]*>(.*)</pre>', page)
    body = json.loads(shlex.split(unescape(curl))[-1], parse_float=Decimal)
    asked = {"loan_amount": '"><script>', "interest_rate": 8, "tenure": Decimal("1e999999")}
    assert body == {"customer_id": ASHA, **asked}, "it asks for what is in the form"


def test_the_pages_are_for_who_calls_this_machine_by_its_own_names(site: Site) -> None:
    """Another site could have its name lead here, and read what lies here in a visitor's browser."""
    assert [site.page("/docs", host).status for host in (HOST, "localhost:3000", "[::1]:3000")] == [200] * 3
    assert [site.page("/docs", host).status for host in ("lender.example:3000", "")] == [421] * 2


def test_a_customer_is_explained_beside_what_the_cache_holds(site: Site, service: Service) -> None:
    before = html(site.page(f"/customers/{ASHA}", HOST))
    service.check(ASHA)
    after = html(site.page(f"/customers/{ASHA}", HOST))

    assert "Nothing: the next check is a miss" in before
    assert "as the database says" in after
    assert "<strong>Approved</strong>" in after
    assert site.page("/customers/42", HOST).status == 404


def test_an_entry_that_is_not_what_the_database_says_is_shown_as_such(
    site: Site, service: Service, database: Database
) -> None:
    service.check(ASHA)
    database.execute("UPDATE customers SET monthly_salary = 1")

    assert "not as the database says now" in html(site.page(f"/customers/{ASHA}", HOST))


def test_looking_changes_nothing(site: Site, database: Database, redis_client: redis.Redis) -> None:
    """Neither the stores nor the loan ids, nor when an entry was last used."""
    redis_client.set("credit_score:7", "{" * 400, ex=1000)
    numbered = (
        "SELECT AUTO_INCREMENT FROM information_schema.tables WHERE table_name = 'loans' AND table_schema = DATABASE()"
    )
    database.execute("ANALYZE TABLE loans")
    before = database.execute(numbered)
    time.sleep(2.1)  # an entry's age has whole seconds, by a clock that may be late

    for path in ("/", "/cache", f"/customers/{ASHA}"):
        assert site.page(path, HOST).status == 200

    database.execute("ANALYZE TABLE loans")
    assert database.execute(numbered) == before
    assert redis_client.keys("*") == [b"credit_score:7"]
    assert redis_client.object("idletime", "credit_score:7") >= 1


def test_a_page_that_is_watched_is_made_ahead(
    site: Site, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here by nobody but who keeps it fresh, whatever has gone wrong before."""
    monkeypatch.setattr("local.pages.cache.FRESH_SECONDS", math.inf)
    shown = '<th scope="row">anything else</th><td class="n">{}</td>'
    ended = Event()
    keeper = Thread(target=site.keep_fresh, args=(ended,))
    assert shown.format(0) in html(site.page("/cache", HOST))
    looked, look = [], CachePage.look

    def fails_once(page: CachePage) -> Page:
        looked.append(page)
        if len(looked) == 1:
            raise ArithmeticError
        return look(page)

    monkeypatch.setattr(CachePage, "look", fails_once)
    redis_client.set("credit_score:8", "?")

    keeper.start()
    try:
        assert eventually(lambda: shown.format(1) in html(site.page("/cache", HOST)), 30)
    finally:
        ended.set()
        keeper.join()


def test_pages_come_and_say_so_while_a_store_is_frozen(
    site: Site, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_patience(monkeypatch, PATIENCE)
    redis_server.pause()
    try:
        assert "Redis does not answer" in html(site.page("/cache", HOST))
        assert "Redis does not answer" in html(site.page(f"/customers/{ASHA}", HOST))
        assert "Something has failed" in html(site.page("/", HOST))
    finally:
        redis_server.resume()


def test_while_a_store_is_frozen_pages_wait_in_their_places_alone(
    site: Site, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that waits keeps a worker of the API waiting."""
    monkeypatch.setattr("local.pages.entries.WAIT", Wait(60, 60))
    path = f"/customers/{ASHA}"
    site.page(path, HOST)  # its connections are open
    with ThreadPoolExecutor(1) as pool:
        redis_server.pause()
        try:
            waits = pool.submit(site.page, path, HOST)
            assert eventually(lambda: not site.places._value, 30)
            others = [site.page(other, HOST) for other in ("/", "/cache", path)]
            still = [site.page(other, HOST).status for other in ("/docs", "/assets/pages.js")]
        finally:
            redis_server.resume()

    assert [(page.status, page.headers()["retry-after"]) for page in others] == [(503, "1")] * 3
    assert still == [200, 200]
    assert waits.result().status == 200
    assert site.page("/", HOST).status == 200


@pytest.mark.parametrize(
    "path", ["/customers?id=abc", "/customers?id=", "/customers", "/customers/0", "/customers/x/y"]
)
def test_what_is_no_customers_number_is_said_to_be_none(path: str, site: Site) -> None:
    page = site.page(path, HOST)

    assert page.status == 404
    assert "is no customer&#39;s number" in html(page)


@pytest.mark.usefixtures("service")
def test_a_walk_counts_every_kind_of_entry(redis_client: redis.Redis) -> None:
    for number in range(250):
        redis_client.set(f"credit_score:{number + 1}", '{"v":4,' + "x" * 400, px=3_600_000 * (number % 24) + 1_800_000)
    redis_client.set("credit_score:301", "lease:a", px=60_000)
    redis_client.set("credit_score:302", "write:a", px=60_000)
    redis_client.set("credit_score:303", "?")
    redis_client.set("another:1", '{"v":4,' + "x" * 400)
    walk = Walk()

    while walk.last == Seen():
        walk.look()

    assert walk.last.kinds == Counter(documents=250, leases=1, markers=1, others=1)
    assert walk.last.hours == [11 if hour < 250 % 24 else 10 for hour in range(24)]


def test_requests_are_counted_by_what_the_functions_print(log: Path) -> None:
    tally = Tally(log)
    declined = {**DECISION, "approved": False, "reason_codes": ["CUSTOMER_ON_HOLD"]}
    with log.open("a", encoding="utf-8") as written:
        written.write(line(1, CacheHit=1, **DECISION) * 98 + line(50, CacheHit=1, **DECISION) * 2)
        written.write(line(5, CacheMiss=1, status=404))
        written.write(line(7, LoanDeclined=1, CacheHit=1, **declined))
        written.write(line(7, at=1000 * (time.time() - 3600), CacheHit=1, **DECISION))
        written.write('{"_aws": half of a li')

    tally.catch_up()

    assert tally.counts("hit", "miss", "bypass", "LoanDeclined", "2xx", "4xx") == [100, 1, 0, 1, 101, 1]
    assert tally.reasons() == Counter(approved=100, CUSTOMER_ON_HOLD=1)
    assert tally.percentile("hit", 50) == pytest.approx(1, rel=0.03)
    assert tally.percentile("hit", 99) == pytest.approx(50, rel=0.03)
    assert [one.lends for one in tally.decisions(7)][:3] == [False, True, False]


NOT_OURS = {
    "no JSON": '{"_aws": nonsense}\n',
    "no text": b'\xff"_aws"\n'.decode("latin-1"),
    "no object": '["_aws"]\n',
    "too deep": '{"_aws":' + "[" * 100_000 + "\n",
    "no metrics": '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}, "status": 200}\n',
    "no time": line(at="now"),
    "a time that never comes": line(at=1e300),
    "no finite time": line(at=math.inf),
    "a count that is none": line(CacheHit="one"),
    "no finite count": line(InvalidationsSwept=math.nan),
    "a status that is none": line(status="fine"),
    "a latency that is none": line("1 ms"),
    "no finite latency": line(math.inf),
    "half a decision": line(approved=True, reason_codes=[], customer_id=ASHA),
    "a decision on nobody": line(**{**DECISION, "customer_id": [ASHA]}),
    "a decision without reasons": line(**{**DECISION, "customer_id": ASHA, "reason_codes": None}),
}


@pytest.mark.parametrize("text", NOT_OURS.values(), ids=NOT_OURS)
def test_a_line_that_is_not_ours_counts_for_nothing_and_breaks_no_page(text: str, site: Site, log: Path) -> None:
    with log.open("a", encoding="utf-8") as written:
        written.write(text + line(CacheMiss=1))

    assert '>misses</th><td class="n">1</td><td class="n">100.0<' in html(site.page("/cache", HOST))
    assert "none in this run" in html(site.page(f"/customers/{ASHA}", HOST))


def test_a_line_is_counted_once_and_when_it_is_whole(log: Path) -> None:
    tally, text = Tally(log), line(CacheHit=1)
    with log.open("a", encoding="utf-8") as written:
        for part in (text, text[:40], text[40:]):
            written.write(part)
            written.flush()
            tally.catch_up()

    assert tally.counts("hit") == [2]


def test_only_the_end_of_a_long_log_is_read(log: Path) -> None:
    log.write_text(line(CacheMiss=1) + "x" * MOST_BYTES + "\n" + line(CacheHit=1), encoding="utf-8")
    tally = Tally(log)

    tally.catch_up()

    assert tally.counts("hit", "miss") == [1, 0]


def test_a_log_that_cannot_be_read_again_is_named() -> None:
    tally = Tally(Path(os.devnull))

    tally.catch_up()

    assert "/dev/null is no file" in tally.obstacle


def test_nothing_has_no_percentile() -> None:
    assert percentile(Counter(), 50) is None


def test_every_type_of_problem_has_a_page_where_it_points() -> None:
    slugs = {slug for _, slug, _ in [*PROBLEMS.values(), INTERNAL_ERROR]}

    assert contract.problem_pages().keys() - {""} == slugs


def test_the_contract_is_for_this_server_and_links_to_the_problems() -> None:
    here = json.loads(contract.contract_here())

    assert here["servers"][0]["url"] == "/"
    assert "security" not in here
    assert (
        "[`/problems/malformed-body`](problems/malformed-body)"
        in here["components"]["responses"]["MalformedBody"]["description"]
    )
    for path in ("/check-eligibility", "/create-loan"):
        assert here["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]


def test_the_contract_as_files_works_under_any_path(tmp_path: Path) -> None:
    """Every link leads to a file beside it."""
    command = [sys.executable, "-m", "local.pages.contract", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    links = [
        (path.relative_to(tmp_path), link)
        for path in tmp_path.rglob("*.html")
        for link in re.findall(r'(?:href|src|data-contract)="(?!data:)([^"#]+)', path.read_text(encoding="utf-8"))
    ]
    links += [
        (Path("index.html"), link)
        for link in re.findall(r"\]\((problems/[^)]+)\)", (tmp_path / "openapi.json").read_text())
    ]

    assert len(links) > 50
    assert [(str(path), link) for path, link in links if not (tmp_path / urljoin(str(path), link)).is_file()] == []
    assert [link for _, link in links if link.startswith("/")] == []


def test_the_api_answers_while_the_pages_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[str] = []

    def ask(method: str) -> bytes:
        environ: dict[str, Any] = {"REQUEST_METHOD": method}
        setup_testing_defaults(environ)
        return b"".join(application(environ, lambda status, *_: answered.append(status)))  # type: ignore[arg-type]  # no write()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv(PORT_VARIABLE, str(listener.getsockname()[1]))
    application = with_pages(lambda _environ, _start: [b"the API"])

    assert ask("POST") == b"the API"
    assert b"do not answer" in ask("GET")
    assert answered == ["503 Service Unavailable"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", True),
        ("HEAD", "/cache", True),
        ("HEAD", "/create-loan", False),
        ("GET", "/cache", True),
        ("GET", "/problems/invalid-request", True),
        ("GET", "/check-eligibility", False),
        ("GET", "/cached", False),
        ("POST", "/", False),
        ("GET", "*", False),
        ("GET", "", False),
    ],
)
def test_the_pages_take_nothing_of_the_api(method: str, path: str, expected: bool) -> None:  # noqa: FBT001
    assert is_page(method, path) is expected
