"""Times a hit, a miss and a loan by the delay that a network adds to each round trip to the database and to Redis."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from unittest.mock import patch

import redis

from benchmarks.floors import bare
from benchmarks.interleaved import Sample, Subject, left_out, measure
from benchmarks.options import Options
from benchmarks.requests import calling, check, check_event
from benchmarks.results import Cell, Findings, Table
from benchmarks.stores import Stores
from benchmarks.warm import requests
from lending import wiring
from testkit.database import connect

DELAYS_MS = (0.0, 0.25, 0.5, 1.0, 2.0)
WARM_UP_ROUNDS = 20
SHARE = 10
"""A delay is measured with so many times fewer rounds than warm calls are."""
ASKED, LENT_BY_HAND = 1, 3000
LOANS = 10
HIT, MISS, LOAN = "hit", "miss, 10 loans", "create-loan, approved"
BARE, SEVEN = "b: GET, EMI, JSON", "d: a loan in seven round trips"
IN_SEVEN = (
    "BEGIN",
    "SELECT * FROM customers WHERE customer_id = %(customer_id)s FOR UPDATE",
    "SELECT loan_id FROM loans WHERE request_id = %(request_id)s",
    "SELECT COUNT(*), SUM(tenure), SUM(emis_paid_on_time) FROM loans WHERE customer_id = %(customer_id)s",
    "SELECT SUM(monthly_repayment) FROM loans WHERE customer_id = %(customer_id)s AND end_date >= CURRENT_DATE",
    """INSERT INTO loans (customer_id, loan_amount, tenure, interest_rate, monthly_repayment, start_date,
                          end_date, status)
       VALUES (%(customer_id)s, 1000, 12, 10.5, 88.15, CURRENT_DATE, CURRENT_DATE + INTERVAL 1 YEAR, 'APPROVED')""",
    "COMMIT",
)
"""What a loan takes that is lent statement by statement; it tells the cache nothing."""


def measure_section(stores: Stores, options: Options) -> Findings:
    """Time the three of ours and the two floors at each delay, in turn within a delay."""
    stores.add_customers([(number, LOANS) for number in (ASKED, 12, *range(1001, 1301), LENT_BY_HAND)])
    rounds = max(options.rounds // SHARE, 1)
    measured = {}
    for delay_ms in DELAYS_MS:
        with _at(stores, delay_ms) as subjects:
            measured[delay_ms] = measure(subjects, rounds, warm_up_rounds=WARM_UP_ROUNDS)
    names = list(measured[0.0])
    rows: list[list[Cell]] = [[name, *(measured[ms][name].median_us / 1000 for ms in DELAYS_MS)] for name in names]
    every: dict[str, Sample] = {f"{name} {ms}": measured[ms][name] for ms in DELAYS_MS for name in names}
    return Findings(
        tables=[
            Table(
                "Median ms of a warm call by added delay",
                ["", *(f"{ms:g} ms" for ms in DELAYS_MS)],
                rows,
                "Each reply of the database and of Redis is held for so long by a proxy, which adds some tenths.",
            )
        ],
        remarks=[f"{rounds} rounds at each delay. Nothing was pinned to a core.", left_out(every)],
    )


@contextmanager
def _at(stores: Stores, delay_ms: float) -> Iterator[dict[str, Subject]]:
    """Lead everything measured through proxies with a delay."""
    wiring.close()
    servers = {"DB": stores.mysql, "REDIS": stores.redis_server}
    with ExitStack() as stack:
        ports = {
            f"{name}_PORT": stack.enter_context(_delayed(server.host, server.port, delay_ms))
            for name, server in servers.items()
        }
        stack.enter_context(patch.dict("os.environ", ports))
        cache = stack.enter_context(redis.Redis(host=stores.redis_server.host, port=int(ports["REDIS_PORT"]), db=1))
        stack.enter_context(patch.object(bare, "client", cache))
        connection = stack.enter_context(connect(stores.mysql.environment | {"DB_PORT": ports["DB_PORT"]}))
        check(ASKED)
        numbers = cycle(range(1_000_000))

        def lend_in_seven(_: object) -> bool:
            parameters = {"customer_id": LENT_BY_HAND, "request_id": f"by hand {next(numbers)}"}
            with connection.cursor() as cursor:
                for statement in IN_SEVEN:
                    cursor.execute(statement, parameters)
            return True

        ours = requests(stores)
        yield {
            BARE: calling(
                bare.lambda_handler, partial(check_event, ASKED), lambda a: "monthly_installment" in a["body"]
            ),
            SEVEN: Subject(lend_in_seven, lambda: None, bool),
            **{name: ours[name] for name in (HIT, MISS, LOAN)},
        }
        wiring.close()


@contextmanager
def _delayed(host: str, port: int, delay_ms: float) -> Iterator[str]:
    """Give the port of a proxy in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.delay", host, str(port), str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None  # noqa: S101 - for mypy
        yield proxy.stdout.readline().strip()
        proxy.communicate()
