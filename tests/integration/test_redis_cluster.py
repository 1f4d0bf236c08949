"""On a sharded Redis every answer is right, also while slots move and nodes die, and the other shards stay in use."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from redis.exceptions import AskError

from db.findings import Verdict
from doctor.cache import examine_cache
from doctor.commands import IN_A_CLUSTER, name
from functions.refresh_cache import app as refresh_cache
from lending import wiring
from lending.adapters.logins import GivenLogin
from lending.adapters.redis_cluster import ASKING, slot_of
from lending.adapters.redis_connection import RedisConnection, Wait
from lending.config import Settings
from lending.patience import Patience
from lending.ports import CacheAwayError
from local.front.lambda_context import LambdaContext
from local.pages.entries import Walk
from local.servers.redis_cluster import Cluster, ask, start_cluster
from local.servers.redis_server import in_container
from local.servers.server import HOST, Server
from testkit.clock import WoundClock
from testkit.database import Database
from testkit.fakes import KEYSPACE, POLICY, Customer, a_loan
from testkit.proxy import Fate, Proxy
from testkit.resharding import Resharding
from testkit.service import TODAY, Service, use_patience, wired
from tests.integration.test_cache_user import PREFIX, access_string
from tests.protocol.cluster_double import ClusterDouble

CUSTOMER = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))
CUSTOMERS = range(1001, 1031)
RECOVERY_SECONDS = 20
PAUSE_SECONDS = 0.02
"""So long each slot is on its way."""
NOBODY = {"DB_HOST": HOST, "DB_NAME": "nobody", "DB_USER": "nobody"}
"""No database."""

pytestmark = pytest.mark.skipif(in_container(), reason="nodes in containers do not meet")


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start_cluster(tmp_path_factory.mktemp("cluster") / "redis") as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """A cluster of this file, empty, with all nodes at work."""
    for node in shared_cluster.nodes:
        if ask(node, "ROLE")[0] == "master":
            ask(node, "FLUSHALL")
    return shared_cluster


@pytest.fixture
def resharding(cluster: Cluster) -> Iterator[Resharding]:
    with Resharding(cluster) as resharding:
        yield resharding


@pytest.fixture
def service(
    service: Service, database: Database, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """The handlers on the cluster, and customers on all its shards."""
    for customer_id in CUSTOMERS:
        database.add_customer(customer_id, CUSTOMER, [a_loan()] * 3)
    with wired(cluster.environment, monkeypatch):
        yield service


def slot(customer_id: int) -> int:
    return slot_of(f"credit_score:{customer_id}")


def cache_uses(service: Service) -> list[str | None]:
    return [service.check(customer_id).cache_status for customer_id in CUSTOMERS]


def refresh() -> dict[str, int]:
    return refresh_cache.lambda_handler({}, LambdaContext("refresh", timeout_seconds=50))


def elsewhere(cluster: Cluster, resharding: Resharding, customer_id: int) -> int:
    """Return the place of a master that does not have the customer."""
    owner = resharding.owner_of(slot(customer_id))
    return next(n for n, node in enumerate(cluster.nodes) if node is not owner and ask(node, "ROLE")[0] == "master")


@pytest.mark.parametrize("key", ["credit_score:1001", "a{credit}b", "a{}b", "{", "}{a}", "ключ"])
def test_a_keys_slot_is_that_of_redis(key: str, cluster: Cluster) -> None:
    assert slot_of(key) == ask(cluster.nodes[0], "CLUSTER", "KEYSLOT", key)


def test_customers_of_all_shards_are_looked_up_filled_lent_to_and_swept(
    service: Service, database: Database, cluster: Cluster
) -> None:
    first, second = cache_uses(service), cache_uses(service)
    lent = [service.create(customer_id).status for customer_id in CUSTOMERS]
    old_again = [service.check(customer_id).cache_status for customer_id in CUSTOMERS]
    report = refresh()
    held = [ask(node, "DBSIZE") for node in cluster.nodes[:3]]

    assert set(first) == {"fwd=miss; stored"}
    assert set(second) == {"hit"}
    assert set(lent) == {201}
    assert set(old_again) == {"fwd=miss; stored"}
    assert report["swept"] == len(CUSTOMERS)
    assert held == [0, 0, 0], "the sweep dropped what the checks after the loans had stored"
    assert database.execute("SELECT COUNT(*) FROM cache_invalidations WHERE swept_at IS NULL") == ((0,),)


def test_the_inspection_looks_at_every_shard_and_the_warm_renews_on_each(
    service: Service, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache_uses(service)
    client = redis.RedisCluster(host=cluster.host, port=cluster.port)
    for customer_id in CUSTOMERS:
        client.expire(f"credit_score:{customer_id}", 60)
    cache_uses(service)
    asked: list[int] = []
    bulk = type(wiring.bulk_score_cache())
    entries = bulk.entries

    def noting(self: object, customer_ids: list[int], *rest: object) -> object:
        asked.extend(customer_ids)
        return entries(self, customer_ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(bulk, "entries", noting)
    report = refresh()

    assert report["warmed"] == len(CUSTOMERS)
    assert report["mismatches"] == 0
    inspected = {slot(customer_id) * 3 // 16_384 for customer_id in asked[: report["inspected"]]}
    assert inspected == {0, 1, 2}
    assert min(client.ttl(f"credit_score:{customer_id}") for customer_id in CUSTOMERS) > 3600
    client.close()


def test_the_walk_through_all_entries_comes_through_every_shard(service: Service) -> None:
    cache_uses(service)
    refresh()  # which learns the map
    bulk, found, place, steps = wiring.bulk_score_cache(), set[int](), 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lending.adapters.redis_bulk_scores.from_document", lambda *_: None)  # as on the last day
        while steps == 0 or place:
            place, unready = bulk.unready(place, 5, TODAY, POLICY)
            found, steps = found | set(unready), steps + 1

    assert found == set(CUSTOMERS)


def test_the_templates_user_may_do_all_that_this_takes(
    service: Service, cluster: Cluster, resharding: Resharding, monkeypatch: pytest.MonkeyPatch
) -> None:
    for node in cluster.nodes:
        ask(node, "ACL", "SETUSER", "lending", "reset", ">swordfish", *access_string("CacheUser"))
    monkeypatch.setattr(wiring, "_redis_login", lambda: GivenLogin("lending", "swordfish"))
    for node in cluster.nodes:
        ask(node, "CONFIG", "RESETSTAT")
    with wired({"REDIS_KEY_PREFIX": PREFIX}, monkeypatch):
        uses = cache_uses(service) + cache_uses(service)
        moving = slot_of(f"{PREFIX}credit_score:1001")
        owner = resharding.owner_of(moving)
        resharding.begin(moving, next(node for node in cluster.nodes[:3] if node is not owner))
        lent = [service.create(customer_id).status for customer_id in CUSTOMERS]
        after = service.check(1001).cache_status
        report = refresh()
        replied = set().union(*(ask(node, "INFO", "errorstats") for node in cluster.nodes))
        findings = dict(examine_cache(wiring.settings()))
    carried_out = set().union(*(ask(node, "INFO", "commandstats") for node in cluster.nodes))

    assert set(uses) == {"fwd=miss; stored", "hit"}
    assert set(lent) == {201}
    assert after == "fwd=miss; stored"
    assert (report["swept"], report["mismatches"]) == (len(CUSTOMERS), 0)
    # ERR is the reply to how redis-py greets.
    assert replied - {"errorstat_ERR"} == {"errorstat_MOVED", "errorstat_ASK"}, "no command was refused"
    assert {f"cmdstat_{name(command).lower()}" for command in IN_A_CLUSTER} <= carried_out
    assert findings["cache commands"].verdict is Verdict.OK


def test_the_doctor_counts_slots_and_nodes(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with wired(NOBODY | cluster.environment, monkeypatch):
        findings = dict(examine_cache(wiring.settings()))

    assert findings["cache cluster mode"] == (Verdict.OK, "on: 16384 of 16384 slots on 3 nodes", "")
    assert findings["cache commands"].found.startswith("all 13 are allowed")


def test_a_hit_is_one_command_once_the_map_is_known(service: Service, cluster: Cluster) -> None:
    cache_uses(service)
    for node in cluster.nodes:
        ask(node, "CONFIG", "RESETSTAT")
    cache_uses(service)
    sent = [ask(node, "INFO", "commandstats") for node in cluster.nodes]

    assert sum(each.get("cmdstat_eval", {"calls": 0})["calls"] for each in sent) == len(CUSTOMERS)
    assert not any("cmdstat_cluster|slots" in each for each in sent)


def test_while_a_slot_moves_its_entry_is_hit_here_and_its_misses_are_filled_there(
    service: Service, cluster: Cluster, resharding: Resharding
) -> None:
    kept, new = 1001, 1002
    service.check(kept)
    for customer_id in (kept, new):
        resharding.begin(slot(customer_id), cluster.nodes[elsewhere(cluster, resharding, customer_id)])
    targets = {each: cluster.nodes[elsewhere(cluster, resharding, each)] for each in (kept, new)}

    under_way = [service.check(kept).cache_status, service.check(new).cache_status, service.check(new).cache_status]
    lent = [service.create(customer_id).status for customer_id in (kept, new)]
    checked = [service.check(customer_id).cache_status for customer_id in (kept, new) * 2]
    for customer_id, target in targets.items():
        resharding.end(slot(customer_id), target)
    moved = [service.check(customer_id).cache_status for customer_id in (kept, new)]

    assert under_way == ["hit", "fwd=miss; stored", "hit"]
    assert lent == [201, 201]
    assert checked == ["fwd=miss; stored", "fwd=miss; stored", "hit", "hit"]
    assert moved == ["hit", "hit"]


@pytest.mark.parametrize("there", [True, False])
def test_the_double_of_a_moving_slot_replies_as_a_cluster_does(
    there: bool,  # noqa: FBT001 - pytest gives it
    cluster: Cluster,
    resharding: Resharding,
) -> None:
    key, number = KEYSPACE.entry(1001), slot(1001)
    double = ClusterDouble(key, moves=True)
    source = resharding.wait_until_agreed(number)
    target = cluster.nodes[elsewhere(cluster, resharding, 1001)]
    if there:
        ask(source, "SET", key, "value")
        double.nodes["a"].put(key, b"value")
    steps: list[tuple[int, Callable[[], object]]] = [
        (1, lambda: resharding.begin(number, target)),
        (1, lambda: ask(source, "MIGRATE", target.host, target.port, key, 0, 5000)),
        (2, lambda: resharding.end(number, target)),  # between the two, the source hears of it at any time
    ]
    told = [replies_of_both(double, {"a": source, "b": target})]
    for steps_of_double, step in steps:
        step()
        for _ in range(steps_of_double):
            next(double.moves())()
        told.append(replies_of_both(double, {"a": source, "b": target}))
    resharding.wait_until_agreed(number)

    assert [doubled for _, doubled in told] == [real for real, _ in told]


def replies_of_both(double: ClusterDouble, nodes: dict[str, Server]) -> tuple[list[object], list[object]]:
    """Return what the nodes reply to a GET, without and with ASKING, and what their doubles do."""
    names = {node.port: place for place, node in nodes.items()}
    get = ("GET", KEYSPACE.entry(1001))

    def in_words(reply: object) -> object:
        if isinstance(reply, AskError):
            return type(reply), names.get(reply.port, reply.host)
        return reply

    real, doubled = list[object](), list[object]()
    for place, node in nodes.items():
        connection = RedisConnection(
            Settings.from_env(NOBODY | node.environment | {"REDIS_DB": "0"}), None, Patience.relaxed()
        )
        for commands in ([get], [ASKING, get]):
            real += [in_words(reply) for reply in connection.exchange(commands, wait=Wait(5, 5))]
            doubled += [in_words(reply) for reply in double.exchange(place, commands) or []]
        connection.close()
    return real, doubled


def test_a_reshard_under_load_costs_no_bypass_and_shows_no_older_score(
    service: Service, cluster: Cluster, resharding: Resharding
) -> None:
    cache_uses(service)
    # To one node alone: two that take slots at once could claim the same one by the same epoch.
    target = cluster.nodes[elsewhere(cluster, resharding, CUSTOMERS[0])]

    def reshard() -> None:
        for number in {slot(customer_id) for customer_id in CUSTOMERS}:
            if resharding.owner_of(number) is not target:
                resharding.begin(number, target)
                time.sleep(PAUSE_SECONDS)
                resharding.end(number, target)

    mover = threading.Thread(target=reshard)
    mover.start()
    seen: list[str | None] = []
    scores: list[tuple[int, int]] = []
    for customer_id in [*CUSTOMERS][:12]:
        seen += cache_uses(service)
        assert service.create(customer_id).status == 201
        checks = [service.check(customer_id) for _ in range(2)]
        seen += [check.cache_status for check in checks]
        scores += [(check.body["credit_score"], 1) for check in checks]
    mover.join()

    assert not [status for status in seen if status is None or "bypass" in status]
    assert {score for score, _ in scores} == {scores[0][0]}, "each loan counts the same, and at once"
    assert scores[0][0] != service.check(CUSTOMERS[-1]).body["credit_score"]


def test_a_slot_that_never_settles_is_given_up(
    service: Service, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(cluster.host, cluster.port) as proxy, wired({"REDIS_PORT": str(proxy.port)}, monkeypatch):

        def always_elsewhere(piece: bytes) -> Fate:
            return f"-ASK {slot(1001)} {HOST}:{proxy.port}\r\n".encode() * (1 + piece.count(b"ASKING"))

        proxy.on_request = always_elsewhere
        answer = service.check(1001)

    assert (answer.status, answer.cache_status) == (200, "fwd=bypass; detail=unavailable")


def test_while_a_master_is_dead_the_other_shards_are_hit_and_its_customers_answered(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed is the one that dies, and no replica may follow it: afterwards one does, and its hits come back."""
    with ExitStack() as stack:
        cluster = stack.enter_context(start_cluster(tmp_path / "redis"))
        resharding = stack.enter_context(Resharding(cluster))
        stack.enter_context(wired(cluster.environment, monkeypatch))
        cache_uses(service)
        refresh()
        dead = {c for c in CUSTOMERS if resharding.owner_of(slot(c)) is cluster.nodes[0]}
        for replica in cluster.nodes[3:]:
            ask(replica, "CONFIG", "SET", "cluster-replica-no-failover", "yes")
        use_patience(monkeypatch, Patience())

        cluster.nodes[0].kill()
        while_dead = {c: service.check(c) for c in CUSTOMERS}
        lent_to_the_living = service.create(min(set(CUSTOMERS) - dead))
        lent_to_the_dead = service.create(min(dead))
        swept = refresh()["swept"]
        for replica in cluster.nodes[3:]:
            ask(replica, "CONFIG", "SET", "cluster-replica-no-failover", "no")
        use_patience(monkeypatch, Patience.relaxed())
        clock = WoundClock(monkeypatch, frozen=False)
        swept_after = 0
        for _ in range(10 * RECOVERY_SECONDS):  # by tries: the clock is wound
            time.sleep(0.1)
            clock.pass_by(wiring.patience.breaker_open)
            after = [str(status) for status in cache_uses(service)]
            with suppress(CacheAwayError):  # the nodes learn of the new master one after the other
                swept_after += refresh()["swept"]
                if not any("bypass" in status for status in after):
                    break

    assert dead
    assert len(dead) < len(CUSTOMERS)
    assert {c for c, answer in while_dead.items() if answer.cache_status == "hit"} == set(CUSTOMERS) - dead
    assert {while_dead[c].status for c in dead} == {200}
    assert (lent_to_the_living.status, lent_to_the_dead.status) == (201, 201)
    assert (swept, swept_after) == (1, 1), "the dead shard's customer waits, and nobody else"
    assert not [status for status in after if "bypass" in status]


def test_a_planned_failover_is_followed(service: Service, resharding: Resharding) -> None:
    cache_uses(service)
    owner = resharding.owner_of(slot(1001))

    with ThreadPoolExecutor(1) as pool:
        handover = pool.submit(resharding.hand_over, slot(1001))
        answers = [service.check(1001)]
        while not handover.done():
            answers.append(service.check(1001))
    deadline = time.monotonic() + RECOVERY_SECONDS
    while set(after := cache_uses(service)) != {"hit"} and time.monotonic() < deadline:
        time.sleep(0.1)

    assert resharding.owner_of(slot(1001)) is handover.result() is not owner
    assert {answer.status for answer in answers} == {200}
    assert {answer.cache_status for answer in answers} <= {"hit", "fwd=bypass; detail=unavailable"}, (
        "a master that waits for its replica holds all writes"
    )
    assert set(after) == {"hit"}


def test_the_pages_see_the_entries_of_all_shards(service: Service) -> None:
    cache_uses(service)
    walk = Walk()

    while not walk.last.size:
        nodes = walk.look()

    assert walk.last.kinds == {"documents": len(CUSTOMERS)}
    assert [node.told["role"] for node in nodes] == ["master"] * 3
