"""Random histories on real servers: real processes, kill -9, lost and late commands, FLUSHALL, a promoted replica.

Each history has its own customer, a few requests at about the same time, and at most one fault.
S1: no check that starts after create-loan has answered sees an older score; after a failover it may, until the sweep.
S2: at rest, after a sweep, the cache holds no older score.

    make histories N=10000            ours and naive, side by side
"""

import argparse
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import redis

from db.migrate import migrate
from lending.adapters.score_document import from_document
from lending.config import Settings
from local.servers.mysql_server import start_mysql
from local.servers.redis_server import start_redis
from local.servers.server import ServerError
from testkit.database import own_database
from testkit.environments import Environment, EnvironmentKilledError
from testkit.fakes import KEYSPACE, a_loan
from testkit.proxy import Action, Proxy
from tests.protocol.interleavings import RICH, TODAY
from tests.protocol.processes import PATIENCE_SECONDS, Seen, request, sweep, use_naive

LANES = 8
REPLICATION_TIMEOUT_SECONDS = 30
READERS, WRITERS = (1, 3), (1, 2)
SEATS = READERS[1] + WRITERS[1]
SPREAD_SECONDS = 0.006
"""The requests of a history start within this time: about as long as a loan takes."""
LATE_SECONDS = (PATIENCE_SECONDS + 0.01, PATIENCE_SECONDS + 0.15)
"""A late command arrives after the service has given it up, while later ones are under way."""


class Fault(Enum):
    """What goes wrong in a history."""

    NONE = "nothing"
    KILL = "kill -9 of a process"
    DROP = "a Redis command is lost"
    DROP_REPLY = "a Redis reply is lost"
    CUT = "the connection to Redis is cut"
    LATE = "a Redis command arrives late"
    FLUSH = "FLUSHALL"
    FAILOVER = "a replica is promoted that lacks the latest writes"


WEIGHTS = {Fault.NONE: 8, Fault.DROP: 3, Fault.DROP_REPLY: 3, Fault.CUT: 3, Fault.LATE: 2}
ON_THE_WAY = {Fault.DROP: Action.DROP, Fault.DROP_REPLY: Action.DROP_REPLY, Fault.CUT: Action.CUT}
COMMANDS = 12
"""About how many commands a history sends to Redis."""


@dataclass
class Tally:
    """Counts over all histories of a protocol."""

    histories: int = 0
    checks: int = 0
    loans: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    stale_checks: Counter[Fault] = field(default_factory=Counter)
    """S1."""
    stale_entries: Counter[Fault] = field(default_factory=Counter)
    """S2."""
    unforeseen: Counter[int] = field(default_factory=Counter)
    """HTTP statuses that no fault explains."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Cache:
    """A Redis and its replica behind an address that survives a failover, with faults on the way."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        self._servers = [start_redis(folder / "a"), start_redis(folder / "b")]
        self._proxy = Proxy(self._servers[0].host, self._servers[0].port)
        self._proxy.on_request = self._on_request
        self.environment = self._servers[0].environment | {"REDIS_PORT": str(self._proxy.port)}
        self._fault = Fault.NONE
        self._strikes_at = 0
        self._counting = threading.Lock()
        with ExitStack() as if_it_fails:
            if_it_fails.callback(self.close)
            self._follow()
            if_it_fails.pop_all()

    def fail(self, fault: Fault) -> None:
        """Let a command of the next requests go wrong."""
        with self._counting:
            self._fault, self._strikes_at = fault, self._rng.randrange(COMMANDS)

    def flush(self) -> None:
        """Forget everything."""
        self._client(0).flushall()

    def fail_over(self, unreplicated_seconds: float) -> None:
        """Promote the replica, which lacks the writes of the last moment."""
        self._client(1).replicaof("NO", "ONE")
        time.sleep(unreplicated_seconds)
        self._servers.reverse()
        self._proxy.lead_to(self._servers[0].host, self._servers[0].port)
        self._follow()

    def entry(self, customer_id: int) -> bytes:
        """Return a customer's entry."""
        held = self._client(0).get(KEYSPACE.entry(customer_id))
        return held if isinstance(held, bytes) else b""

    def close(self) -> None:
        """Stop both servers."""
        self._proxy.close()
        for server in self._servers:
            server.close()

    def _follow(self) -> None:
        primary = self._servers[0]
        replica = self._client(1)
        replica.replicaof(primary.host, str(primary.port))
        deadline = time.monotonic() + REPLICATION_TIMEOUT_SECONDS
        while replica.info("replication")["master_link_status"] != "up":
            if time.monotonic() > deadline:
                raise ServerError("The replica does not reach its primary. Each in its own container, they cannot.")
            time.sleep(0.005)

    def _client(self, which: int) -> redis.Redis:
        server = self._servers[which]
        return redis.Redis(host=server.host, port=server.port, db=1, single_connection_client=True)

    def _on_request(self, _piece: bytes) -> Action:
        with self._counting:
            strikes = self._strikes_at == 0
            self._strikes_at -= 1
        if not strikes:
            return Action.PASS
        if self._fault is Fault.LATE:
            time.sleep(self._rng.uniform(*LATE_SECONDS))
        return ON_THE_WAY.get(self._fault, Action.PASS)


class Lane:
    """Plays one history after the other, on its own database and cache."""

    def __init__(self, stack: ExitStack, mysql: Mapping[str, str], number: int, seed: int, *, naive: bool) -> None:
        self._rng = random.Random(seed)
        self._naive = naive
        self._cache = Cache(Path(stack.enter_context(tempfile.TemporaryDirectory())), self._rng)
        stack.callback(self._cache.close)
        self._database = stack.enter_context(own_database(dict(mysql), f"histories_{number}"))
        migrate(self._database.connection)
        self._stores = self._database.environment | self._cache.environment | {"SWEEP_SECONDS": "60"}
        self._mark = Settings.from_env(self._stores).db_mark
        self._seats = [self._seat() for _ in range(SEATS)]
        self._refresh = Environment(self._stores)
        stack.callback(self._refresh.close)
        stack.callback(self._leave)

    def play(self, customer_id: int, tally: Tally) -> None:
        """Play one history and count what came of it."""
        rng = self._rng
        fault = rng.choices(list(Fault), [WEIGHTS.get(fault, 1) for fault in Fault])[0]
        self._database.add_customer(customer_id, RICH, [a_loan()])
        if rng.random() < 0.5:
            self._seats[0].begin(request, "/check-eligibility", customer_id, 0)
            self._seats[0].result()

        self._cache.fail(fault)
        roles = ["/create-loan"] * rng.randint(*WRITERS) + ["/check-eligibility"] * rng.randint(*READERS)
        seats = self._seats[: len(roles)]
        for seat, path in zip(seats, roles, strict=True):
            seat.begin(request, path, customer_id, rng.uniform(0, SPREAD_SECONDS))
        victim = rng.randrange(len(seats))
        happening = self._let_happen(fault, seats[victim])
        seen = [self._result(seat) for seat in seats]
        happening.join()
        if fault is Fault.KILL:
            seats[victim].close()
            self._seats[victim] = self._seat()
        self._cache.fail(Fault.NONE)

        self._seats[0].begin(request, "/check-eligibility", customer_id, 0)
        last: Seen = self._seats[0].result()
        writes = [s for s, path in zip(seen, roles, strict=True) if s and path == "/create-loan"]
        reads = [s for s, path in zip(seen, roles, strict=True) if s and path == "/check-eligibility"] + [last]
        if fault is Fault.LATE:
            time.sleep(LATE_SECONDS[1])  # at rest means that nothing is under way
        if not self._naive:
            self._refresh.begin(sweep)
            self._refresh.result()
        entry = from_document(self._cache.entry(customer_id), customer_id, TODAY, self._mark)
        ((made,),) = self._database.execute("SELECT COUNT(*) FROM loans WHERE customer_id = %s", (customer_id,))

        with tally.lock:
            tally.histories += 1
            tally.checks += len(reads)
            tally.loans += made - 1
            tally.faults[fault] += 1
            tally.unforeseen.update(s.status for s in [*writes, *reads] if s.status not in {200, 201})
            stale = [r for r in reads if r.loans < sum(w.ended_at < r.started_at for w in writes if w.status == 201)]
            if stale and not (fault is Fault.FAILOVER and not self._naive):
                tally.stale_checks[fault] += 1
            if entry is not None and entry.loans != made:
                tally.stale_entries[fault] += 1

    def _let_happen(self, fault: Fault, victim: Environment) -> threading.Timer:
        events: dict[Fault, Callable[[], None]] = {
            Fault.KILL: victim.kill,
            Fault.FLUSH: self._cache.flush,
            Fault.FAILOVER: lambda: self._cache.fail_over(self._rng.uniform(0, SPREAD_SECONDS)),
        }
        timer = threading.Timer(self._rng.uniform(0, 2 * SPREAD_SECONDS), events.get(fault, lambda: None))
        timer.start()
        return timer

    def _result(self, seat: Environment) -> Seen | None:
        try:
            seen: Seen = seat.result()
        except EnvironmentKilledError:
            return None
        return seen

    def _leave(self) -> None:
        for seat in self._seats:
            seat.close()

    def _seat(self) -> Environment:
        seat = Environment(self._stores)
        if self._naive:
            seat.begin(use_naive)
            seat.result()
        return seat


@contextmanager
def lanes(mysql: Mapping[str, str], number_of_lanes: int, seed: int, *, naive: bool) -> Iterator[list[Lane]]:
    """Set up the lanes of a run."""
    with ExitStack() as stack:
        yield [Lane(stack, mysql, number, seed + number, naive=naive) for number in range(number_of_lanes)]


def run(mysql: Mapping[str, str], histories: int, seed: int, *, naive: bool, lanes_at_once: int = LANES) -> Tally:
    """Play this many histories of our or of the naive protocol, on the server that the DB_* variables name."""
    tally = Tally()
    customers = iter(range(1, histories + 1))
    taking = threading.Lock()

    def work(lane: Lane) -> None:
        while True:
            with taking:
                customer_id = next(customers, None)
            if customer_id is None:
                return
            lane.play(customer_id, tally)

    with lanes(mysql, lanes_at_once, seed, naive=naive) as all_lanes, ThreadPoolExecutor(lanes_at_once) as pool:
        for done in [pool.submit(work, lane) for lane in all_lanes]:
            done.result()
    return tally


def table(ours: Tally, naive: Tally) -> str:
    """Return both tallies side by side."""
    rows = [f"{'':52} {'ours':>18} {'naive':>18}", f"{'histories':52} {ours.histories:18,} {naive.histories:18,}"]
    rows.append(f"{'checks':52} {ours.checks:18,} {naive.checks:18,}")
    rows.append(f"{'loans':52} {ours.loans:18,} {naive.loans:18,}")
    for fault in Fault:
        cells = [f"{t.stale_checks[fault]} / {t.stale_entries[fault]} of {t.faults[fault]:,}" for t in (ours, naive)]
        rows.append(f"{'S1 / S2 anomalies with ' + fault.value:52.52} {cells[0]:>18} {cells[1]:>18}")
    totals = [f"{t.stale_checks.total()} / {t.stale_entries.total()}" for t in (ours, naive)]
    rows.append(f"{'S1 / S2 anomalies':52} {totals[0]:>18} {totals[1]:>18}")
    rows.append(f"{'answers that no fault explains':52} {ours.unforeseen.total():18} {naive.unforeseen.total():18}")
    return "\n".join(rows)


def main() -> None:
    """Play both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=10_000, help="histories of each")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start_mysql(Path(folder) / "mysql") as mysql:
        print(f"seed {options.seed}")
        tallies = [run(mysql.environment, options.n, options.seed, naive=naive) for naive in (False, True)]
    print(table(*tallies))


if __name__ == "__main__":
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "histories")
    main()
