"""Break each rule of the cache protocol in turn, and see whether the tests notice: `make broken-rules`.

Each rule is broken in a copy of the tree, by replacing one piece of text. It is held when the tests fail there; when
they pass, nothing holds it. A rule whose text is no longer there is an error of this list.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LENDING = "layers/common/lending"

SCORES = f"{LENDING}/adapters/redis_scores.py"
SCRIPTS = f"{LENDING}/adapters/redis_scripts.py"
CONNECTION = f"{LENDING}/adapters/redis_connection.py"
BULK = f"{LENDING}/adapters/redis_bulk_scores.py"
DOCUMENT = f"{LENDING}/adapters/score_document.py"
LOANS = f"{LENDING}/adapters/mysql_loans.py"
CLUSTER = f"{LENDING}/adapters/redis_cluster.py"
OUTBOX = f"{LENDING}/adapters/mysql_outbox.py"
CREATE = f"{LENDING}/use_cases/create_loan.py"
WRITE = f"{LENDING}/use_cases/cache_write.py"
CHECK = f"{LENDING}/use_cases/check_eligibility.py"
REFRESH = f"{LENDING}/use_cases/refresh_cache.py"
PATIENCE = f"{LENDING}/patience.py"
CLOCK = f"{LENDING}/clock.py"
TRIGGERS = "db/0004_other_writers.sql"

INTERLEAVINGS = "tests/protocol/test_interleavings.py"
DOUBLES = "tests/protocol/test_doubles.py"
TURN = "tests/integration/test_policy_turn.py"
CACHING = "tests/integration/test_caching.py"
OUTAGES = "tests/integration/test_cache_outages.py"
ON_THE_WIRE = "tests/integration/test_cache_connection.py"
DEMOTED = "tests/integration/test_demoted_writer.py"
SHARDS = "tests/integration/test_redis_cluster.py"
ENCRYPTED_SHARDS = "tests/integration/test_cluster_tls.py"
REFRESHED = "tests/integration/test_refresh_cache.py"
OTHER_WRITERS = "tests/integration/test_other_writers.py"
USE_CASES = "tests/unit/test_use_cases.py"
WRITES = "tests/unit/test_cache_write.py"


class BrokenRule(NamedTuple):
    """A rule, how it is broken, and which tests notice."""

    rule: str
    file: str
    text: str
    instead: str
    held_by: str


BROKEN_RULES = (
    # --- readers ---
    BrokenRule(
        "a fill replaces only its own lease",
        SCRIPTS,
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nredis.call('SET'",
        "redis.call('SET'",
        DOUBLES,
    ),
    BrokenRule(
        "a marker keeps readers from taking the lease",
        SCORES,
        "held.startswith((LEASE, MARKER))",
        "held.startswith(LEASE)",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "a lease keeps other readers from taking it",
        SCORES,
        "held.startswith((LEASE, MARKER))",
        "held.startswith(MARKER)",
        CACHING,
    ),
    BrokenRule(
        "every lease is one reader's own",
        SCORES,
        "LEASE + os.urandom(12).hex().encode()",
        'LEASE + b"0" * 24',
        INTERLEAVINGS,
    ),
    BrokenRule(
        "a lease ends by itself", SCRIPTS, "LEASE_MILLISECONDS = 5_000", "LEASE_MILLISECONDS = 86_400_000", CACHING
    ),
    BrokenRule(
        "what is no profile is replaced only while it is the same",
        SCRIPTS,
        "if type(held) == 'string' and held ~= ARGV[1] then return 0 end\nredis.call('SET', KEYS[1], ARGV[2]",
        "redis.call('SET', KEYS[1], ARGV[2]",
        DOUBLES,
    ),
    BrokenRule(
        "the lease is taken before the read",
        CHECK,
        "    found = scores.look_up(application.customer_id, today, policy)\n",
        "    early = assess(store().credit_record(application.customer_id, today).record, today, policy)\n"
        "    found = scores.look_up(application.customer_id, today, policy)\n"
        "    if found.lease is not None:\n"
        "        scores.fill(found.lease, early)\n",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "a reader keeps nothing that a demoted writer has said",
        CHECK,
        " and reading.from_writer:",
        ":",
        DEMOTED,
    ),
    BrokenRule(
        "a store tells that its writer was demoted",
        LOANS,
        "from_writer=not _from_demoted(row)",
        "from_writer=True",
        DEMOTED,
    ),
    BrokenRule(
        "a demoted writer's successor is asked instead",
        LOANS,
        "        if _from_demoted(rows[0]):\n            # The connection",
        "        if False:\n            # The connection",
        DEMOTED,
    ),
    BrokenRule(
        "a server without the customer says whether it takes writes",
        LOANS,
        "LEFT JOIN customers c ON c.customer_id IN",
        "JOIN customers c ON c.customer_id IN",
        DEMOTED,
    ),
    BrokenRule(
        "a refusal to write leads to the successor",
        f"{LENDING}/adapters/mysql_connection.py",
        "            if code in mysql_errors.NOT_THE_WRITER:\n",
        "            if code in mysql_errors.NOT_THE_WRITER:\n                raise StoreUnavailableError from exc\n"
        "            if False:\n",
        DEMOTED,
    ),
    BrokenRule(
        "a profile ends with the day it is valid through",
        DOCUMENT,
        " <= profile.valid_through else None",
        " else None",
        CACHING,
    ),
    BrokenRule(
        "another database's document is a miss",
        DOCUMENT,
        ' or document["db"] != mark',
        "",
        "tests/unit/test_score_document.py",
    ),
    BrokenRule(
        "another policy's document is a miss",
        DOCUMENT,
        'if document["policy"] != policy.hash:\n            document',
        "if False:\n            document",
        TURN,
    ),
    BrokenRule(
        "before a policy begins an entry holds the profiles of both days",
        REFRESH,
        "None if now is then else then[customer_id]",
        "None",
        TURN,
    ),
    # --- writers ---
    BrokenRule(
        "the marker is there before the commit",
        CREATE,
        "    write.confirm()",
        "    transaction.commit()\n        write.confirm()",
        USE_CASES,
    ),
    BrokenRule(
        "a commit waits for the marker's reply",
        CREATE,
        "    write.confirm()",
        "    transaction.commit()\n        write.confirm()",
        OUTAGES,
    ),
    BrokenRule(
        "only the command that was sent ahead is not sent again",
        CONNECTION,
        "if list(commands) != [ahead]:",
        "if ahead is None:",
        ON_THE_WIRE,
    ),
    BrokenRule(
        "the entry is dropped after the commit",
        CREATE,
        "not write.finish(in_haste=tries.in_haste)",
        "False",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "the entry is not dropped before the commit",
        CREATE,
        "    transaction.commit()\n    return LoanResult(decision, loan",
        "    write.finish(in_haste=False)\n    write.finish = lambda in_haste: True\n"
        "    transaction.commit()\n    return LoanResult(decision, loan",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "a delete leaves another writer's marker",
        SCRIPTS,
        "if not known then return 0 end",
        "if false then return 0 end",
        DOUBLES,
    ),
    BrokenRule(
        "a rollback removes only its own marker",
        SCRIPTS,
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nreturn redis.call('DEL'",
        "return redis.call('DEL'",
        DOUBLES,
    ),
    BrokenRule("a rollback removes the marker", CREATE, "            write.retract()", "            pass", USE_CASES),
    BrokenRule("an unknown outcome keeps the marker", CREATE, "if not tries.in_doubt:", "if True:", USE_CASES),
    BrokenRule("a marker outlives every transaction", SCORES, "self._patience.marker)", "1)", CACHING),
    BrokenRule(
        "in haste a delete is sent, too",
        WRITE,
        "return not self._begun or self._scores",
        "return not self._begun or in_haste or self._scores",
        WRITES,
    ),
    BrokenRule(
        "a replay finishes the write of the first request",
        CREATE,
        "        write.take_over(earlier.request_id)",
        "        pass",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "the cache never approves",
        CREATE,
        "    if decision.approved:\n        cache_use",
        "    if False:\n        cache_use",
        USE_CASES,
    ),
    # --- waiting ---
    BrokenRule(
        "the breaker never keeps a writer from trying",
        SCORES,
        "        seconds = max(seconds, self._patience.cache_send)\n",
        "        seconds = max(seconds, self._patience.cache_send)\n"
        "        if not self._connection.breaker.lets_through():\n            return False\n",
        OUTAGES,
    ),
    BrokenRule(
        "a lost marker does not lose the delete as well",
        SCORES,
        "min(self._patience.cache_write, self._seconds_left)",
        "min(0.03, self._seconds_left)",
        OUTAGES,
    ),
    BrokenRule(
        "a writer's command is sent although its time is over",
        SCORES,
        "        seconds = max(seconds, self._patience.cache_send)\n",
        "",
        ON_THE_WIRE,
    ),
    BrokenRule(
        "on a new connection a command goes out in one write",
        CONNECTION,
        'return self._settings.redis_db != 0 and any(command[0] != "EVAL" for command in commands)',
        "return self._settings.redis_db != 0",
        ON_THE_WIRE,
    ),
    BrokenRule(
        "a script selects its database itself",
        "layers/common/lending/adapters/keyspace.py",
        "selecting = f\"redis.call('SELECT', {self.database})\\n{script}\" if self.database else script",
        "selecting = script",
        ON_THE_WIRE,
    ),
    BrokenRule(
        "a reader never waits longer than a writer",
        PATIENCE,
        '        _rises("cache_reply * TLS_REPLIES < cache_write", self.cache_reply * TLS_REPLIES, self.cache_write)\n',
        "",
        "tests/unit/test_patience.py",
    ),
    BrokenRule(
        "the wall clock counts while the other stands still",
        CLOCK,
        "max(time.monotonic() - moment.monotonic, time.time() - moment.wall)",
        "time.monotonic() - moment.monotonic",
        "tests/unit/test_breaker.py",
    ),
    # --- other writers, and the sweep ---
    BrokenRule(
        "every loan leaves a row in the outbox",
        TRIGGERS,
        "loans_inserted AFTER INSERT ON loans FOR EACH ROW\n    IF NOT",
        "loans_inserted AFTER INSERT ON loans FOR EACH ROW\n    IF FALSE AND NOT",
        OTHER_WRITERS,
    ),
    BrokenRule(
        "the row of a loan carries its writer's marker",
        TRIGGERS,
        "COALESCE(CONCAT('write:', NEW.request_id), '')",
        "''",
        OTHER_WRITERS,
    ),
    BrokenRule(
        "a session that never heard of it is not by hand",
        TRIGGERS,
        "NOT (@cache_invalidations_by_hand <=> 1)",
        "@cache_invalidations_by_hand <> 1",
        OTHER_WRITERS,
    ),
    BrokenRule(
        "a sweep's rows go only once Redis has confirmed",
        REFRESH,
        "self.cache.finish_writes(batch.invalidations)\n",
        "set[int]()\n",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "a sweep takes what was never swept first",
        OUTBOX,
        "rows = transaction.execute(NEVER_SWEPT, due).fetchall()",
        "rows = transaction.execute(SWEPT_ONCE, due).fetchall() or transaction.execute(NEVER_SWEPT, due).fetchall()",
        DOUBLES,
    ),
    BrokenRule(
        "a sweep starts over for low numbers that are committed late",
        OUTBOX,
        "if start_over := clock.seconds_since(self._position.since) >= self._position.good_for:",
        "if start_over := False:",
        REFRESHED,
    ),
    BrokenRule("a row is swept twice", OUTBOX, "NOTE_SWEPT if last_swept_at is None else FORGET", "FORGET", REFRESHED),
    BrokenRule(
        "time passes before the second pass",
        OUTBOX,
        "swept_at < CURRENT_TIMESTAMP - INTERVAL %(pause)s SECOND",
        "swept_at <= CURRENT_TIMESTAMP - INTERVAL 0 * %(pause)s SECOND",
        REFRESHED,
    ),
    BrokenRule("sweeps at once share the rows", OUTBOX, " FOR UPDATE SKIP LOCKED", "", DOUBLES),
    BrokenRule(
        "a drop knows all markers of its batch",
        OUTBOX,
        "markers.setdefault(customer_id, set()).add(marker)",
        "markers[customer_id] = {marker}",
        DOUBLES,
    ),
    BrokenRule(
        "the inspection excuses whom the outbox names",
        REFRESH,
        "if entry.profile.customer_id not in pending]",
        "if True or pending]",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "the outbox is looked at after the store",
        REFRESH,
        "        fresh = self._fresh_profiles([entry.profile.customer_id for entry in entries], today)\n"
        "        self.report.inspected",
        "        early = self.outbox.pending([entry.profile.customer_id for entry in entries])\n"
        "        self.outbox.pending = lambda _: early\n"
        "        fresh = self._fresh_profiles([entry.profile.customer_id for entry in entries], today)\n"
        "        self.report.inspected",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "what is renewed was read after it was seen",
        BULK,
        "script(SET_IF_SAME, new.customer_id, seen, to_document(new, mark, following))",
        '("SET", self._keyspace.entry(new.customer_id), to_document(new, mark), "EX", 86400)',
        INTERLEAVINGS,
    ),
    BrokenRule(
        "the inspection drops only what it has seen",
        BULK,
        "script(DELETE_IF_SAME, e.profile.customer_id, e.text)",
        '("DEL", self._keyspace.entry(e.profile.customer_id))',
        REFRESHED,
    ),
    # --- several nodes ---
    BrokenRule(
        "a slot on its way is asked for with ASKING",
        CLUSTER,
        "asking=not moved",
        "asking=False",
        SHARDS,
    ),
    BrokenRule(
        "what is sent elsewhere by ASK follows there",
        CLUSTER,
        "            if isinstance(reply, AskError):\n                yield",
        "            if isinstance(reply, MovedError):\n                yield",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "what is sent elsewhere by MOVED follows there",
        CLUSTER,
        "moved = [number for number, reply in enumerate(replies) if isinstance(reply, AskError)]",
        "moved = [n for n, reply in enumerate(replies) if type(reply) is AskError]",
        INTERLEAVINGS,
    ),
    BrokenRule(
        "an empty host is that of the node that says it",
        CLUSTER,
        'NO_HOST = ("", "?")',
        'NO_HOST = ("?",)',
        ENCRYPTED_SHARDS,
    ),
    BrokenRule(
        "a node that failed is asked once another says that the slot is there",
        CLUSTER,
        "        if not owner.breaker.failures:\n",
        "        if True:\n",
        SHARDS,
    ),
    BrokenRule(
        "the map of the slots is asked for once",
        CLUSTER,
        "self._owners, self._map_is_old = owners, False",
        "self._owners = owners",
        SHARDS,
    ),
    BrokenRule(
        "a dead shard's rows stay in the outbox, and no others",
        OUTBOX,
        "if row[1] not in except_of]",
        "]",
        REFRESHED,
    ),
)


def main() -> int:
    """Run the tests on each broken rule; return 1 if one goes unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", help="only the rules that hold one of these words")
    words = parser.parse_args().words
    broken_rules = [each for each in BROKEN_RULES if not words or any(word in each.rule for word in words)]
    unheld = 0
    for each in broken_rules:
        noticed = _noticed_by(each)
        unheld += noticed is None
        print(f"{'not held' if noticed is None else 'held':9} {each.rule:60} {noticed or ''}", flush=True)
    print(f"{len(broken_rules) - unheld} of {len(broken_rules)} rules held")
    return 1 if unheld else 0


def _noticed_by(broken: BrokenRule) -> str | None:
    """Return the first test that fails when a rule is broken; None when all pass."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".local", ".aws-sam"))
        source = tree / broken.file
        text = source.read_text(encoding="utf-8")
        if broken.text not in text:
            raise SystemExit(f"{broken.file} no longer has the text of the rule that {broken.rule}")
        source.write_text(text.replace(broken.text, broken.instead), encoding="utf-8")
        # Before the editable install, which leads to the sound tree.
        environment = os.environ | {"PYTHONPATH": str(tree / LENDING / "..")}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", broken.held_by]
        run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return None
        failed = [line.split(" ")[1] for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if not failed:
            raise SystemExit(f"The tests did not run without the rule that {broken.rule}:\n{run.stdout}{run.stderr}")
        return failed[0].rpartition("::")[2]


if __name__ == "__main__":
    sys.exit(main())
