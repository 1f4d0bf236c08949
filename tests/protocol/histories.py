"""Random histories on real servers: real processes, kill -9, lost and late commands, FLUSHALL, a promoted replica.

Each history has its own customer, a few requests at about the same time, and at most one fault.
S1: no check that starts after create-loan has answered sees an older score; after a failover it may, until the sweep.
S2: at rest, after a sweep, the cache holds no older score.

    make histories N=10000                 ours and naive, side by side
    make histories CACHE=cluster N=5000    the same on sharded caches, whose slots move and whose masters die
"""

import argparse
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import redis

from db.migrate import migrate
from lending.adapters.score_document import from_document
from lending.config import Settings
from local.servers.mysql_server import start_mysql
from local.servers.redis_server import start_redis
from local.servers.server import Server, ServerError
from testkit.database import Database, connect, name_for, own_database
from testkit.environments import Environment, EnvironmentKilledError
from testkit.fakes import KEYSPACE, POLICY, a_loan
from testkit.proxy import HOST as PROXY_HOST
from testkit.proxy import Action, Proxy
from tests.protocol.interleavings import BEHIND, EMIS_AFTER_CHANGE, RICH, TODAY, Behind
from tests.protocol.processes import (
    CACHE_NAME,
    PATIENCE_SECONDS,
    Seen,
    answer_names,
    connect_to_database,
    refresh_beside,
    request,
    silence_names,
    sweep,
    use_naive,
    use_resolver,
)
from tests.protocol.sharded import ShardedCache

SHARDED = os.environ.get("CACHE") == "cluster"
"""Whether each lane has a Redis Cluster."""
LANES = 2 if SHARDED else 8
PURPOSE = "histories"
"""In the names of the databases."""
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
    SLOW = "every reply of Redis is late"
    NAMES = "the cache's name has no answer"
    DEMOTION = "connections to a demoted database server"
    RESHARD = "the customer's slot moves to another node"
    HANDOVER = "a replica takes over in good order"


WEIGHTS = {Fault.NONE: 8, Fault.DROP: 3, Fault.DROP_REPLY: 3, Fault.CUT: 3, Fault.LATE: 2, Fault.DEMOTION: 2} | (
    dict.fromkeys((Fault.KILL, Fault.FLUSH, Fault.FAILOVER, Fault.SLOW, Fault.NAMES), 1)
)
OF_SHARDS = {Fault.NONE: 20, Fault.KILL: 20, Fault.FLUSH: 5, Fault.DEMOTION: 10, Fault.RESHARD: 60} | {
    Fault.HANDOVER: 3,
    Fault.FAILOVER: 2,  # takes seconds
}
EXCUSED = {Fault.FAILOVER, Fault.NAMES}
"""After these an older score may be seen until the sweep: Redis forgot, or a writer could not send at all."""
OUTSIDE = 0.15
"""The share of histories with another system's UPDATE."""
CREATED = 201
UNSEEN_SECONDS = 20
"""An outside write that is unseen for so long will not be seen."""
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
    accused: Counter[Fault] = field(default_factory=Counter)
    """S3: entries that the inspection found wrong."""
    unseen_seconds: list[float] = field(default_factory=list)
    """How long after each outside write's commit the last check began that did not see it; 0 when all did."""
    unforeseen: Counter[int] = field(default_factory=Counter)
    """HTTP statuses that no fault explains."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, history: "History", *, naive: bool) -> None:
        """Judge a history and count it."""
        with self.lock:
            self.histories += 1
            self.checks += len(history.reads)
            self.loans += history.made
            self.faults[history.fault] += 1
            self.unforeseen.update(s.status for s in [*history.writes, *history.reads] if s.status not in {200, 201})
            if history.changed_at is not None:
                self.unseen_seconds.append(history.unseen_seconds(history.changed_at))
            if history.is_stale and (naive or history.fault not in EXCUSED):
                self.stale_checks[history.fault] += 1
            if history.left is not None and history.left != history.true:
                self.stale_entries[history.fault] += 1
            if history.fault is not Fault.FAILOVER:
                self.accused[history.fault] += history.accused


class History(NamedTuple):
    """What happened in one history."""

    fault: Fault
    writes: list[Seen]
    reads: list[Seen]
    changed_at: float | None
    """When another system's change was committed."""
    made: int
    """New loans."""
    left: Behind | None
    """What the entry had seen that the cache held at rest."""
    accused: int
    """Entries that the inspection found wrong."""

    @property
    def true(self) -> Behind:
        """What there is to be seen in the end."""
        return Behind(self.made, int(self.changed_at is not None))

    @property
    def is_stale(self) -> bool:
        """Whether a check saw an older score than one that had been answered for when it began."""
        lent = [w for w in self.writes if w.status == CREATED]
        return any(r.behind.loans < sum(w.ended_at < r.started_at for w in lent) for r in self.reads)

    def unseen_seconds(self, changed_at: float) -> float:
        """Return how long after the change the last check began that did not see it."""
        return max([r.started_at - changed_at for r in self.reads if r.behind.changes == 0] + [0])


class Cache:
    """A Redis and its replica behind an address that survives a failover, with faults on the way."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        self._servers = [start_redis(folder / "a"), start_redis(folder / "b")]
        self._proxy = Proxy(self._servers[0].host, self._servers[0].port)
        self._proxy.on_request = self._on_request
        self.environment = self._servers[0].environment | {
            "REDIS_HOST": CACHE_NAME,
            "REDIS_PORT": str(self._proxy.port),
        }
        self._fault = Fault.NONE
        self._strikes_at = 0
        self._counting = threading.Lock()
        with ExitStack() as if_it_fails:
            if_it_fails.callback(self.close)
            self._follow()
            if_it_fails.pop_all()

    def aim_at(self, customer_id: int) -> None:
        """There is but one node to be struck."""

    def fail(self, fault: Fault) -> None:
        """Let a command of the next requests go wrong."""
        with self._counting:
            self._fault, self._strikes_at = fault, self._rng.randrange(COMMANDS)
        if fault is Fault.SLOW:
            self._proxy.delay(self._rng.uniform(*LATE_SECONDS))
        else:
            self._proxy.pass_on()

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

    def __init__(self, stack: ExitStack, servers: "Servers", number: int, seed: int, *, naive: bool) -> None:
        self._rng = random.Random(seed)
        self._naive = naive
        self._servers = servers
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._cache = ShardedCache(folder, self._rng, CACHE_NAME) if SHARDED else Cache(folder, self._rng)
        stack.callback(self._cache.close)
        self._database = stack.enter_context(own_database(servers.writer, f"{PURPOSE}_{number}"))
        migrate(self._database.connection)
        self._database_name = stack.enter_context(Proxy(servers.writer["DB_HOST"], int(servers.writer["DB_PORT"])))
        port = {"DB_HOST": PROXY_HOST, "DB_PORT": str(self._database_name.port), "SWEEP_SECONDS": "60"}
        self._stores = self._database.environment | self._cache.environment | port
        self._mark = Settings.from_env(self._stores).db_mark
        self._seats = [self._seat() for _ in range(SEATS)]
        self._refresh = Environment(self._stores)
        self._events = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(self._refresh.close)
        if not naive:
            beside = stack.enter_context(Environment(self._stores | {"SWEEP_SECONDS": "1"}))
            beside.begin(refresh_beside)
        stack.callback(self._leave)

    def play(self, customer_id: int, tally: Tally) -> None:
        """Play one history and count what came of it."""
        rng = self._rng
        weights = OF_SHARDS if SHARDED else WEIGHTS
        fault = rng.choices(list(weights), list(weights.values()))[0]
        self._cache.aim_at(customer_id)
        self._database.add_customer(customer_id, RICH, [a_loan()])
        outside = rng.random() < OUTSIDE
        if outside or rng.random() < 0.5:
            self._check(customer_id)

        # A loan drops the entry that another system's change has made old: in some histories there is none.
        writers, readers = 0 if outside and rng.random() < 0.5 else rng.randint(*WRITERS), rng.randint(*READERS)
        roles = ["/create-loan"] * writers + ["/check-eligibility"] * readers
        seats = self._seats[: len(roles)]
        victim = rng.randrange(len(seats))
        self._prepare(fault, customer_id, seats[victim])
        for seat, path in zip(seats, roles, strict=True):
            seat.begin(request, path, customer_id, rng.uniform(0, SPREAD_SECONDS))
        happening = self._let_happen(fault, seats[victim])
        changed_at = self._change(customer_id) if outside else None
        seen = [self._result(seat) for seat in seats]
        happening.result()
        self._repair(fault, victim)

        reads = [s for s in seen[writers:] if s] + self._checks_until_seen(customer_id, changed_at)
        if fault is Fault.LATE:
            time.sleep(LATE_SECONDS[1])  # at rest means that nothing is under way
        accused = 0 if self._naive else self._come_to_rest(customer_id)
        entry = from_document(self._cache.entry(customer_id), customer_id, TODAY, POLICY, self._mark)
        left = None if entry is None else BEHIND[entry.credit_score]
        ((loans,),) = self._database.execute("SELECT COUNT(*) FROM loans WHERE customer_id = %s", (customer_id,))
        writes = [s for s in seen[:writers] if s]
        tally.add(History(fault, writes, reads, changed_at, loans - 1, left, accused), naive=self._naive)

    def _prepare(self, fault: Fault, customer_id: int, victim: Environment) -> None:
        if isinstance(self._cache, Cache):
            self._cache.fail(fault)
        if fault is Fault.NAMES:
            self._do(victim, silence_names)
        if fault is Fault.DEMOTION:
            # All have connected before the failover; who connects now gets to the new writer.
            self._database_name.lead_new_to(self._servers.demoted.host, self._servers.demoted.port)
            for seat in self._seats:
                self._do(seat, connect_to_database, customer_id)
            self._database_name.lead_new_to(self._servers.writer["DB_HOST"], int(self._servers.writer["DB_PORT"]))

    def _repair(self, fault: Fault, victim: int) -> None:
        if isinstance(self._cache, Cache):
            self._cache.fail(Fault.NONE)
        if fault is Fault.KILL:
            self._seats[victim].close()
            self._seats[victim] = self._seat()
        if fault is Fault.NAMES:
            self._do(self._seats[victim], answer_names)

    def _checks_until_seen(self, customer_id: int, changed_at: float | None) -> list[Seen]:
        """Check once, and with our protocol again until another system's change is seen."""
        checks = [self._check(customer_id)]
        while changed_at is not None and not self._naive and checks[-1].behind.changes == 0:
            if checks[-1].started_at - changed_at > UNSEEN_SECONDS:
                break
            checks.append(self._check(customer_id))
        return checks

    def _change(self, customer_id: int) -> float:
        """Change a loan as another system does, at about the same time; return when that was committed."""
        time.sleep(self._rng.uniform(0, 2 * SPREAD_SECONDS))
        sql = "UPDATE loans SET emis_paid_on_time = %s WHERE customer_id = %s AND request_id IS NULL"
        self._database.execute(sql, (EMIS_AFTER_CHANGE, customer_id))
        return time.monotonic()

    def _check(self, customer_id: int) -> Seen:
        self._seats[0].begin(request, "/check-eligibility", customer_id, 0)
        seen: Seen = self._seats[0].result()
        return seen

    def _come_to_rest(self, customer_id: int) -> int:
        """Sweep; return how many entries the inspection found wrong."""
        wrong = int(self._do(self._refresh, sweep))
        never_swept = "SELECT 1 FROM cache_invalidations WHERE customer_id = %s AND swept_at IS NULL"
        while self._database.execute(never_swept, (customer_id,)):
            time.sleep(0.01)  # the refresh beside has them
        return wrong

    def _do(self, environment: Environment, function: Callable[..., object], *args: object) -> Any:
        environment.begin(function, *args)
        return environment.result()

    def _let_happen(self, fault: Fault, victim: Environment) -> Future[None]:
        events: dict[Fault, Callable[[], None]] = {
            Fault.KILL: victim.kill,
            Fault.FLUSH: self._cache.flush,
            Fault.FAILOVER: lambda: self._cache.fail_over(self._rng.uniform(0, SPREAD_SECONDS)),
        }
        if isinstance(self._cache, ShardedCache):
            events |= {Fault.RESHARD: self._cache.reshard, Fault.HANDOVER: self._cache.hand_over}
        delay = self._rng.uniform(0, 2 * SPREAD_SECONDS)

        def happen() -> None:
            time.sleep(delay)
            events.get(fault, lambda: None)()

        return self._events.submit(happen)

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
        self._do(seat, use_resolver)
        if self._naive:
            self._do(seat, use_naive)
        return seat


class Servers(NamedTuple):
    """The databases of a run."""

    writer: dict[str, str]
    demoted: Server
    """Knows all customers as they are in the beginning of their history, and takes no writes."""


@contextmanager
def servers(writer: Mapping[str, str], histories: int, number_of_lanes: int) -> Iterator[Servers]:
    """Fill a server with the beginnings of all histories, and demote it."""
    names = [name_for(writer, f"{PURPOSE}_{number}") for number in range(number_of_lanes)]
    with tempfile.TemporaryDirectory() as folder:
        place, password = Path(folder) / "demoted", writer["DB_PASSWORD"]
        with start_mysql(place, password=password) as server, connect(server.environment) as connection:
            database = Database(server.environment, connection)
            for name in names:
                database.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
                connection.select_db(name)
                migrate(connection)
            _fill(database, names, histories)
        with start_mysql(place, server.port, "--read-only", password=password) as demoted:
            yield Servers(dict(writer), demoted)


def _fill(database: Database, names: Sequence[str], histories: int) -> None:
    database.connection.select_db(names[0])
    database.connection.begin()
    for customer_id in range(1, histories + 1):
        database.add_customer(customer_id, RICH, [a_loan()])
    database.connection.commit()
    database.execute("SET @cache_invalidations_by_hand = 1")
    for name, table in product(names[1:], ("customers", "loans")):
        database.execute(f"INSERT INTO {name}.{table} SELECT * FROM {names[0]}.{table}")  # noqa: S608  # names of ours


@contextmanager
def lanes(servers: Servers, number_of_lanes: int, seed: int, *, naive: bool) -> Iterator[list[Lane]]:
    """Set up the lanes of a run."""
    with ExitStack() as stack:
        yield [Lane(stack, servers, number, seed + number, naive=naive) for number in range(number_of_lanes)]


def run(servers: Servers, histories: int, seed: int, *, naive: bool, lanes_at_once: int = LANES) -> Tally:
    """Play this many histories of our or of the naive protocol."""
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

    with lanes(servers, lanes_at_once, seed, naive=naive) as all_lanes, ThreadPoolExecutor(lanes_at_once) as pool:
        for done in [pool.submit(work, lane) for lane in all_lanes]:
            done.result()
    return tally


def table(ours: Tally, naive: Tally) -> str:
    """Return both tallies side by side."""
    rows = [f"{'':52} {'ours':>18} {'naive':>18}", f"{'histories':52} {ours.histories:18,} {naive.histories:18,}"]
    rows.append(f"{'checks':52} {ours.checks:18,} {naive.checks:18,}")
    rows.append(f"{'loans':52} {ours.loans:18,} {naive.loans:18,}")
    for fault in OF_SHARDS if SHARDED else WEIGHTS:
        cells = [f"{t.stale_checks[fault]} / {t.stale_entries[fault]} of {t.faults[fault]:,}" for t in (ours, naive)]
        rows.append(f"{'S1 / S2 anomalies with ' + fault.value:52.52} {cells[0]:>18} {cells[1]:>18}")
    totals = [f"{t.stale_checks.total()} / {t.stale_entries.total()}" for t in (ours, naive)]
    rows.append(f"{'S1 / S2 anomalies':52} {totals[0]:>18} {totals[1]:>18}")
    rows.append(f"{'S3: entries that the inspection found wrong':52} {ours.accused.total():18} {'-':>18}")
    rows.append(f"{'answers that no fault explains':52} {ours.unforeseen.total():18} {naive.unforeseen.total():18}")
    unseen = sorted(ours.unseen_seconds)
    rows.append(f"{'writes by another system':52} {len(unseen):18,} {len(naive.unseen_seconds):18,}")
    if unseen:
        rows.append(f"{'  unseen for, median (s)':52} {unseen[len(unseen) // 2]:18.2f} {'until it ends':>18}")
        rows.append(f"{'  unseen for, longest (s)':52} {unseen[-1]:18.2f} {'until it ends':>18}")
    return "\n".join(rows)


def main() -> None:
    """Play both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=10_000, help="histories of each")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        writer = stack.enter_context(start_mysql(Path(folder) / "mysql")).environment
        both = stack.enter_context(servers(writer, options.n, LANES))
        print(f"seed {options.seed}", flush=True)
        tallies = [run(both, options.n, options.seed, naive=naive) for naive in (False, True)]
    print(table(*tallies))


if __name__ == "__main__":
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "histories")
    main()
