"""What the pages must show; each scenario ends with an AssertionError where it is not so."""

import itertools
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from playwright.sync_api import Page, expect

from local.pages.contract import write
from local.servers.server import HOST, Server
from tests.browser.stage import PATIENCE_MS, Stage, findings, keep

ASHA, BRUNO, TAKEN = 1001, 1002, 1020
PAGES = {
    "home": "/",
    "cache": "/cache",
    "customer": f"/customers/{ASHA}",
    "on-hold": "/customers/1011?loan_amount=5000&interest_rate=9.5&tenure=24",
    "refused": f"/customers/{ASHA}?loan_amount=much&interest_rate=9&tenure=0",
    "nobody": "/customers/42",
    "problems": "/problems",
    "problem": "/problems/invalid-request",
    "docs": "/docs",
}
SCRIPT = "<script>document.title='taken'</script>"

expect.set_options(timeout=PATIENCE_MS)


def every_page_with_and_without_data_is_for_everybody(stage: Stage) -> None:
    """In light and in dark, axe finds nothing."""
    for customer_id in range(ASHA, ASHA + 40):
        stage.post("/check-eligibility", customer_id=customer_id)
    services = {"": stage.address, "empty-": stage.empty_address}
    for scheme, (prefix, address), (name, path) in itertools.product(
        ("light", "dark"), services.items(), PAGES.items()
    ):
        with stage.page(path, scheme=scheme, address=address) as page:
            if name == "docs":
                open_operations(page)
            if name == "cache":
                page.locator("summary").first.click()
            keep(page, f"{prefix}{name}-{scheme}")
            assert findings(page) == [], f"{prefix}{name}, {scheme}"


def the_first_page_says_whether_it_is_well_and_whom_to_ask_about(stage: Stage) -> None:
    with stage.page() as page:
        expect(page.locator("#news")).to_contain_text("well")
        for about in ("any rate", "at 12 %", "at 16 %", "on hold", "more than the limit", "no loan yet"):
            expect(page.locator("#customers")).to_contain_text(about)
        page.get_by_label("Any customer's number").fill(str(BRUNO))
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(f"Customer {BRUNO}")
    with stage.page(address=stage.empty_address) as page:
        expect(page.locator("#customers")).to_contain_text("There are no customers yet")


def the_contract_checks_and_lends_for_real(stage: Stage) -> None:
    """By the examples that are prepared, and a second time the same loan again."""
    loans = "SELECT COUNT(*) FROM loans WHERE customer_id = %s"
    ((before,),) = stage.database.execute(loans, [ASHA])
    with stage.page("/docs") as page:
        open_operations(page)
        for number, answer in enumerate(('"approval": true', '"loan_approved": true')):
            operation = page.locator(".opblock").nth(number)
            operation.locator(".execute").click()
            expect(operation.locator(".live-responses-table")).to_contain_text(answer)
        keep(page, "docs-lent")
        page.locator(".opblock").nth(1).locator(".execute").click()
        expect(page.locator(".opblock").nth(1)).to_contain_text("idempotency-replayed: true")
    ((after,),) = stage.database.execute(loans, [ASHA])
    assert after == before + 1


def a_problem_is_explained_where_its_type_points(stage: Stage) -> None:
    with stage.page() as page:
        asked = "fetch('/check-eligibility', {method: 'POST', body: '{}'}).then((answer) => answer.json())"
        page.goto(stage.address + page.evaluate(asked)["type"])
        expect(page.locator("h1")).to_have_text("422 /problems/invalid-request")
        expect(page.locator("main")).to_contain_text("all of them are in errors")


def the_contract_as_files_works_on_any_web_server(stage: Stage) -> None:
    """Under a path of its own; there is nothing to try there."""
    with TemporaryDirectory() as folder:
        write(Path(folder) / "some" / "where")
        quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
        with ThreadingHTTPServer((HOST, 0), partial(quiet, directory=folder)) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://{HOST}:{server.server_port}"
            with stage.page("/some/where/", address=address) as page:
                expect(page.locator(".opblock")).to_have_count(2)
                page.locator(".opblock-summary-control").first.click()
                expect(page.locator(".opblock-body")).to_contain_text('"customer_id": 1001')
                expect(page.locator(".try-out__btn")).to_have_count(0)
                keep(page, "docs-site")
                page.get_by_role("link", name="Problems", exact=True).click()
                page.get_by_role("link", name="/problems/invalid-request").click()
                expect(page.locator("h1")).to_have_text("422 /problems/invalid-request")
            server.shutdown()


def a_script_in_a_name_stays_text(stage: Stage) -> None:
    stage.database.execute("UPDATE customers SET first_name = %s WHERE customer_id = %s", [SCRIPT, TAKEN])
    with stage.page(f"/customers/{TAKEN}") as page:
        expect(page.locator("#score")).to_contain_text(SCRIPT)
        expect(page.locator("#news")).to_contain_text(SCRIPT)
        page.wait_for_timeout(1500)  # an update later, too
        expect(page).to_have_title(f"Customer {TAKEN} - Lending")


def a_loan_changes_the_pages_before_the_eyes(stage: Stage) -> None:
    with stage.page(f"/customers/{BRUNO}") as customer, stage.page("/cache") as cache:
        for page in (customer, cache):
            page.evaluate("window.notReloaded = true")
        expect(customer.locator("#news")).to_contain_text("score 50")
        stage.post("/check-eligibility", customer_id=BRUNO)
        expect(customer.locator("#entry")).to_contain_text("as the database says")
        hits = cache.locator("#cache-hits-of-checks-percent tbody tr").first
        before = hits.text_content() or ""
        stage.post("/create-loan", customer_id=BRUNO)
        expect(customer.locator("#news")).to_contain_text("score 56")
        expect(customer.locator("#entry")).to_contain_text("Nothing")
        expect(customer.locator("#decisions tbody tr").first).to_contain_text("lend 100000")
        for _ in range(10):
            stage.post("/check-eligibility", customer_id=BRUNO)
        expect(hits).not_to_have_text(before)
        expect(cache.locator("#decisions tbody tr").first).to_contain_text("LoanApproved")
        assert all(page.evaluate("window.notReloaded") for page in (customer, cache))
        keep(customer, "customer-after-loan")
        keep(cache, "cache-after-loan")


def the_keyboard_is_enough(stage: Stage) -> None:
    with stage.page(f"/customers/{ASHA}") as page:
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        page.get_by_label("Amount").fill("99999999")
        page.keyboard.press("Enter")
        expect(page.locator("#answer")).to_contain_text("Declined")
        expect(page.locator("#answer")).to_contain_text("INSTALLMENTS_OVER_HALF_SALARY")
        page.get_by_role("button", name="Copy redis-cli").press("Enter")
        expect(page.locator("#copied")).to_have_text("Copied the redis-cli line.")
        assert f"GET credit_score:{ASHA}" in page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("button", name="Pause updates").press("Enter")
        expect(page.get_by_role("button", name="Pause updates")).to_have_attribute("aria-pressed", "true")


def an_update_leaves_the_focus_and_what_is_scrolled_where_they_are(stage: Stage) -> None:
    with stage.page("/cache") as page:
        details = page.locator("#responses details")
        details.locator("summary").click()
        details.evaluate("(each) => { each.scrollTop = 150 }")
        page.evaluate("scrollTo(0, 300)")
        before = page.locator("#responses tbody").first.text_content() or ""
        stage.post("/check-eligibility", customer_id=ASHA)
        expect(page.locator("#responses tbody").first).not_to_have_text(before)
        expect(details.locator("summary")).to_be_focused()
        assert details.evaluate("(each) => each.scrollTop") == 150
        assert page.evaluate("scrollY") == 300
    with stage.page() as page:
        link = page.locator("#customers a").last
        link.focus()
        renamed = "UPDATE customers SET first_name = 'Another' WHERE customer_id = %s"
        stage.database.execute(renamed, [link.inner_text()])
        expect(page.locator("#customers")).to_contain_text("Another")
        expect(link).to_be_focused()


def redis_away_shows_and_passes(stage: Stage) -> None:
    """Frozen, and stopped; checks are answered all the same."""
    for name, away, back in _troubles(stage.redis):
        with stage.page("/cache") as cache, stage.page(f"/customers/{ASHA}") as customer, stage.page() as home:
            expect(cache.locator("#news")).to_contain_text("Redis answers.")
            away()
            expect(cache.locator("#news")).to_contain_text("Redis does not answer.")
            expect(customer.locator("#entry")).to_contain_text("Redis does not answer")
            expect(home.locator("#news")).to_contain_text("failed")
            assert stage.post("/check-eligibility", customer_id=ASHA)["approval"]
            expect(cache.locator("#cache-hits-of-checks-percent")).not_to_contain_text("bypasses\t0")
            for page, shown in ((cache, "cache"), (customer, "customer"), (home, "home")):
                keep(page, f"{shown}-redis-{name}")
                assert findings(page) == []
            back()
            expect(cache.locator("#news")).to_contain_text("Redis answers.")
            expect(home.locator("#news")).not_to_contain_text("failed")


def the_database_away_shows_and_passes(stage: Stage) -> None:
    for name, away, back in _troubles(stage.mysql):
        with stage.page("/cache") as cache, stage.page(f"/customers/{ASHA}") as customer, stage.page() as home:
            expect(cache.locator("#news")).to_contain_text("The database answers.")
            away()
            expect(cache.locator("#news")).to_contain_text("The database does not answer.")
            expect(customer.locator("#news")).to_contain_text("The database does not answer.")
            expect(home.locator("#news")).to_contain_text("failed")
            for page, shown in ((cache, "cache"), (customer, "customer"), (home, "home")):
                keep(page, f"{shown}-database-{name}")
                assert findings(page) == []
            back()
            expect(cache.locator("#news")).to_contain_text("The database answers.")
            expect(customer.locator("#news")).to_contain_text("score")


def no_request_leaves_the_machine(stage: Stage) -> None:
    """Of all that was looked at before."""
    assert stage.elsewhere == []


def open_operations(page: Page) -> None:
    """Open both operations of the contract, ready to be tried."""
    expect(page.locator(".opblock")).to_have_count(2)
    for operation in page.locator(".opblock").all():
        operation.locator(".opblock-summary-control").click()
        operation.locator(".try-out__btn").click()
        expect(operation.locator(".execute")).to_be_visible()


def _troubles(server: Server) -> list[tuple[str, Callable[[], None], Callable[[], None]]]:
    return [("frozen", server.pause, server.resume), ("stopped", server.stop, server.start)]


SCENARIOS: list[Callable[[Stage], None]] = [
    every_page_with_and_without_data_is_for_everybody,
    the_first_page_says_whether_it_is_well_and_whom_to_ask_about,
    the_contract_checks_and_lends_for_real,
    a_problem_is_explained_where_its_type_points,
    the_contract_as_files_works_on_any_web_server,
    a_script_in_a_name_stays_text,
    a_loan_changes_the_pages_before_the_eyes,
    the_keyboard_is_enough,
    an_update_leaves_the_focus_and_what_is_scrolled_where_they_are,
    redis_away_shows_and_passes,
    the_database_away_shows_and_passes,
    no_request_leaves_the_machine,
]
