"""Times warm calls of the real handlers in this process, against the floors, and counts what they ask of the stores."""

from decimal import Decimal
from functools import partial
from itertools import cycle
from socket import create_connection, socket

from benchmarks.floors import bare, empty, tools
from benchmarks.interleaved import Sample, Subject, left_out, measure, timed
from benchmarks.machine import pin_apart
from benchmarks.options import Options
from benchmarks.profile import profile_of
from benchmarks.requests import CREATED, OK, calling, check, check_event, checking, create_event, creating, new_key
from benchmarks.results import Cell, Findings, Table, Target
from benchmarks.round_trips import Traffic, connecting_traffic_of, table_of, traffic_of
from benchmarks.stores import Stores

WARM_UP_ROUNDS = 100
IN_A_ROW = 100
"""Calls of one kind in a block: the processor's caches are warm and no core sleeps, so what is ours shows more."""

COLUMNS = ["", "median us", "p99 us", "x b", "x c", "processor us", "x b", "x c"]

ASKED, DECLINED, REPLAYED_TO = 1, 2, 3
MISSED = {1: 11, 10: 12, 100: 13, 1000: 14}
"""The customer for each number of loans."""
BORROWERS = range(1001, 1301)
NEWCOMERS = range(2001, 2501)
LOANS = 10
"""Of all the others."""

EMPTY, PING = "a: empty", "a round trip to Redis (PING)"
BARE, TOOLS = "b: GET, EMI, JSON", "c: b, Logger, Metrics"
PONG = b"+PONG\r\n"
HIT, APPROVED, KEYLESS = "hit", "create-loan, approved", "create-loan, approved, without a key"
DECLINE, REPLAY = "create-loan, declined by the cache", "create-loan, replayed"


def measure_section(stores: Stores, options: Options) -> Findings:
    """Time warm calls and count what they ask of the stores."""
    stores.add_customers([(number, loans) for loans, number in MISSED.items()])
    stores.add_customers([(number, LOANS) for number in (ASKED, REPLAYED_TO, *BORROWERS, *NEWCOMERS)])
    stores.add_customers([(DECLINED, LOANS)], limit=Decimal(1))
    pinned = pin_apart(stores.processes)
    check(DECLINED)
    subjects = requests(stores)
    traffic = _traffic(stores, subjects)
    with create_connection((stores.redis_server.host, stores.redis_server.port)) as connection:
        floors = _floors(connection)
        samples = measure(floors | subjects, options.rounds, warm_up_rounds=WARM_UP_ROUNDS)
        kinds = {name: (floors | subjects)[name] for name in (BARE, TOOLS, HIT, _miss(10))}
        rounds = max(options.rounds // IN_A_ROW, 1)
        blocks = measure(kinds, rounds, warm_up_rounds=2, in_a_row=IN_A_ROW)

    ten, thousand = samples[_miss(10)], samples[_miss(1000)]
    return Findings(
        tables=[
            Table("Warm calls, in process", COLUMNS, _rows(samples)),
            Table(f"The same in blocks of {IN_A_ROW} of a kind", COLUMNS, _rows(blocks)),
            _promise(stores),
            table_of(traffic),
            *profile_of(HIT, subjects[HIT]),
        ],
        targets=[
            *_targets("hit / b", HIT, BARE, samples, blocks, (1.25, 1.45)),
            *_targets("miss, 10 loans / c", _miss(10), TOOLS, samples, blocks, (1.8, 2.0)),
            Target.of_ratio("miss, 1000 loans / 10 loans", thousand.ratio_to(ten), 1.6),
            Target.of_count("SQL statements of a hit", traffic[HIT].statements, 0),
            Target.of_count("Redis round trips of a hit", traffic[HIT].redis_round_trips, 1),
            Target.of_count("SQL statements of a miss", traffic[_miss(10)].statements, 1),
            Target.of_count("database round trips of an approved loan", traffic[APPROVED].statements, 4),
            Target.of_count("Redis round trips of an approved loan", traffic[APPROVED].redis_round_trips, 2),
        ],
        remarks=[
            pinned,
            f"{options.rounds} rounds, each calling every handler once, in a random order.",
            left_out(samples),
        ],
    )


def requests(stores: Stores) -> dict[str, Subject]:
    """Return the requests to the service, by name."""
    borrowers = cycle(BORROWERS)

    def missed(loans: int) -> Subject:
        def forgotten() -> dict[str, object]:
            stores.forget(MISSED[loans])
            return check_event(MISSED[loans])

        return checking(forgotten, "fwd=miss; stored")

    return {
        HIT: checking(partial(check_event, ASKED), "hit"),
        **{_miss(loans): missed(loans) for loans in MISSED},
        APPROVED: creating(lambda: create_event(next(borrowers), new_key()), CREATED),
        DECLINE: creating(partial(create_event, DECLINED), OK, "hit"),
        # The first of them lends. The others get its response again.
        REPLAY: creating(partial(create_event, REPLAYED_TO, new_key()), CREATED),
    }


def _floors(redis_connection: socket) -> dict[str, Subject]:
    asked = partial(check_event, ASKED)

    def ping(_: object) -> bytes:
        redis_connection.sendall(b"PING\r\n")
        return redis_connection.recv(len(PONG))

    return {
        EMPTY: calling(empty.lambda_handler, asked, lambda answer: answer["body"] == "{}"),
        PING: Subject(ping, lambda: None, lambda answer: answer == PONG),
        BARE: calling(bare.lambda_handler, asked, lambda answer: "monthly_installment" in answer["body"]),
        TOOLS: calling(tools.lambda_handler, asked, lambda answer: "monthly_installment" in answer["body"]),
    }


def _traffic(stores: Stores, subjects: dict[str, Subject]) -> dict[str, Traffic]:
    keyless = {KEYLESS: creating(partial(create_event, BORROWERS[0]), CREATED, "fwd=miss")}
    firsts = {f"{name}, first of its environment": subjects[name] for name in (HIT, _miss(10), APPROVED)}
    return traffic_of(stores, subjects | keyless) | connecting_traffic_of(stores, firsts)


def _miss(loans: int) -> str:
    return f"miss, {loans} loan{'s' if loans > 1 else ''}"


def _targets(
    what: str,
    name: str,
    floor: str,
    samples: dict[str, Sample],
    blocks: dict[str, Sample],
    at_most: tuple[float, float],
) -> list[Target]:
    """Return the targets of a ratio among all calls and in blocks, by the clock and by processor time."""
    return [
        target
        for way, measured, limit in (("among all", samples, at_most[0]), ("in blocks", blocks, at_most[1]))
        for target in (
            Target.of_ratio(f"{what}, {way}", measured[name].ratio_to(measured[floor]), limit),
            Target.of_ratio(f"{what}, {way}, processor", measured[name].processor_ratio_to(measured[floor]), limit),
        )
    ]


def _rows(samples: dict[str, Sample]) -> list[list[Cell]]:
    bare_floor, tools_floor = samples[BARE], samples[TOOLS]
    return [
        [
            *(name, sample.median_us, sample.p99_us),
            *(sample.ratio_to(floor).value for floor in (bare_floor, tools_floor)),
            sample.processor_us,
            *(sample.processor_ratio_to(floor).value for floor in (bare_floor, tools_floor)),
        ]
        for name, sample in samples.items()
    ]


def _promise(stores: Stores) -> Table:
    """Return how long the first and the second check of a customer take."""
    first: list[int] = []
    again: list[int] = []
    for number in NEWCOMERS:
        stores.forget(number)
        for cache_status, times in (("fwd=miss; stored", first), ("hit", again)):
            subject = checking(partial(check_event, number), cache_status)
            nanoseconds, answer = timed(subject)
            if subject.expected(answer):
                times.append(nanoseconds)
    samples = {
        "first": Sample([first], len(NEWCOMERS) - len(first)),
        "repeated": Sample([again], len(NEWCOMERS) - len(again)),
    }
    faster_pct = 100 * (1 - samples["repeated"].median_us / samples["first"].median_us)
    return Table(
        "First and repeated checks of a customer",
        ["", "median us", "p99 us"],
        [[name, sample.median_us, sample.p99_us] for name, sample in samples.items()],
        f"{len(NEWCOMERS)} customers with {LOANS} loans each, the whole handler: a repeated check takes "
        f"{faster_pct:.0f} % less than the first. {left_out(samples)}",
    )
