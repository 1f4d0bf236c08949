"""Plays random histories of clients who borrow while things fail, and compares them with the loans at the end."""

import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from queue import Empty, SimpleQueue
from typing import NamedTuple

from local.servers.server import Server
from testkit.database import connect
from tests.money.borrowers import add_borrowers
from tests.money.faults import Event, Fault, random_fault
from tests.money.ledger import LOANS_MADE, Report, Request, Tally, hold_against
from tests.money.seat import RestartableServer, Seat

FIRST_CUSTOMER = 3_000_001
SALARY = Decimal(1_000_000)
TOO_MUCH = 50_000_000
"""An amount that the salary does not allow."""

LANES = 8
"""The number of histories at the same time, each with its own customer."""

MAX_REQUESTS = 3
KEY_CHANCE = 0.7
DECLINE_CHANCE = 0.1
TWIN_CHANCE = 0.25
FAULT_CHANCE = 0.85
FAULT_CHANCE_OF_RETRY = 0.3
FAULT_CHANCE_AFTER_FAULT = 0.4
FAULTY_TRIES = 4
"""After this many attempts nothing goes wrong any more, because a test must end."""
PATIENCE_SECONDS = 60


class History(NamedTuple):
    """The requests of one customer in order, and the faults that certainly happen beside the random ones."""

    requests: list[Request]
    sure: list[Fault]


def run(mysql: Server, stores: Mapping[str, str], number: int, seed: int) -> Report:
    """Play this many histories on a server that may be restarted, and return the report.

    Args:
        mysql: The server that DB_* names, with a migrated database that has no customers.
        stores: The variables DB_* and REDIS_*.
        number: How many histories.
        seed: Seeds the random choices. The timing still differs from run to run.
    """
    rng = random.Random(seed)
    customers = range(FIRST_CUSTOMER, FIRST_CUSTOMER + number)
    with connect(stores) as connection:
        add_borrowers(connection, customers, SALARY)
    histories = [History(_requests(customer_id, rng), []) for customer_id in customers]
    # Every event happens at a COMMIT at least once, even in few histories.
    for history, event in zip(histories, Event, strict=False):
        history.sure.append(Fault(event, None))
    waiting: SimpleQueue[History] = SimpleQueue()
    for history in histories:
        waiting.put(history)

    tally = Tally()
    server = RestartableServer(mysql)
    with ThreadPoolExecutor(LANES) as pool:
        seeds = [rng.random() for _ in range(LANES)]
        for lane in [pool.submit(_play, waiting, stores, server, random.Random(seed)) for seed in seeds]:
            tally.add(lane.result())
    with connect(stores) as connection, connection.cursor() as cursor:
        cursor.execute(LOANS_MADE)
        requests = [request for history in histories for request in history.requests]
        return hold_against(number, requests, tally, cursor.fetchall())


def _requests(customer_id: int, rng: random.Random) -> list[Request]:
    """Return the requests of a customer."""
    requests = []
    for number in range(rng.randint(1, MAX_REQUESTS)):
        amount = 1000 + Decimal(MAX_REQUESTS * (customer_id - FIRST_CUSTOMER) + number) / 100
        declined = rng.random() < DECLINE_CHANCE
        key = f"{customer_id}-{number}" if rng.random() < KEY_CHANCE else None
        requests.append(Request(customer_id, amount + TOO_MUCH if declined else amount, key))
    return requests


def _play(
    waiting: "SimpleQueue[History]", stores: Mapping[str, str], server: RestartableServer, rng: random.Random
) -> Tally:
    """Play one history after the other until none waits."""
    with Seat(stores, server, rng) as first, Seat(stores, server, rng) as second:
        client = Client(first, second, rng)
        while True:
            try:
                history = waiting.get_nowait()
            except Empty:
                return client.tally
            client.pending += history.sure
            for request in history.requests:
                client.ask(request)


class Client:
    """A client that retries until it knows the outcome, if it can."""

    def __init__(self, first: Seat, second: Seat, rng: random.Random) -> None:
        """Take the place that serves it, and a second place that may serve its repetitions."""
        self.tally = Tally()
        self.pending: list[Fault] = []
        """Faults that must happen as soon as possible, one after the other."""
        self._seats = [first, second]
        self._rng = rng

    def ask(self, request: Request) -> None:
        """Post a request until there is a final response or, without a key, until it may have lent."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        tries = 0
        while not request.answers and not request.uncertain:
            if time.monotonic() > deadline:
                raise TimeoutError(f"No final answer: {request}")
            self._post(request, self.pending[:1] + self._random_faults(tries))
            tries += 1
            if not request.answers:
                time.sleep(self._rng.uniform(0, 0.05))

    def _random_faults(self, tries: int) -> list[Fault]:
        chance = FAULT_CHANCE if tries == 0 else FAULT_CHANCE_OF_RETRY if tries < FAULTY_TRIES else 0
        faults: list[Fault] = []
        while self._rng.random() < chance:
            faults.append(random_fault(self._rng))
            chance = FAULT_CHANCE_AFTER_FAULT
        return faults

    def _post(self, request: Request, faults: list[Fault]) -> None:
        """Post once, or twice at the same time like an impatient client, with faults on the way of the first."""
        may_repeat = request.key is not None and not self.pending
        seats = self._rng.sample(self._seats, 2 if may_repeat and self._rng.random() < TWIN_CHANCE else 1)
        for seat in seats:
            seat.begin(request.body, request.key, faults if seat is seats[0] else [])
        for seat in seats:
            answer = seat.result()
            request.note(answer, seat.struck)
            self.tally.count(answer, seat.struck)
        self.pending = [fault for fault in self.pending if fault not in seats[0].struck]
