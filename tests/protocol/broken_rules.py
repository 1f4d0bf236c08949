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
REDIS = f"{LENDING}/adapters/redis_scores.py"
SCRIPTS = f"{LENDING}/adapters/redis_scripts.py"
BULK = f"{LENDING}/adapters/redis_bulk_scores.py"
CREATE = f"{LENDING}/use_cases/create_loan.py"
CHECK = f"{LENDING}/use_cases/check_eligibility.py"
REFRESH = f"{LENDING}/use_cases/refresh_cache.py"
DOCUMENT = f"{LENDING}/adapters/score_document.py"

# The quickest to notice come first.
TESTS = (
    "tests/integration/test_caching.py",
    "tests/unit/test_use_cases.py",
    "tests/integration/test_refresh_cache.py",
    "tests/protocol/test_interleavings.py",
    "tests/protocol/test_doubles.py",
    "tests/integration/test_cache_outages.py",
    "tests/money/test_unknown_outcomes.py",
)


class BrokenRule(NamedTuple):
    """A rule, and how it is broken."""

    rule: str
    file: str
    text: str
    instead: str


BROKEN_RULES = (
    BrokenRule(
        "a fill replaces only its own lease",
        SCRIPTS,
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nredis.call('SET'",
        "redis.call('SET'",
    ),
    BrokenRule(
        "a delete leaves another writer's marker",
        SCRIPTS,
        "if not known then return 0 end",
        "if false then return 0 end",
    ),
    BrokenRule(
        "a rollback removes only its own marker",
        SCRIPTS,
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nreturn redis.call('DEL'",
        "return redis.call('DEL'",
    ),
    BrokenRule(
        "a marker keeps readers from taking the lease",
        REDIS,
        "held.startswith((LEASE, MARKER))",
        "held.startswith(LEASE)",
    ),
    BrokenRule(
        "a lease keeps other readers from taking it",
        REDIS,
        "held.startswith((LEASE, MARKER))",
        "held.startswith(MARKER)",
    ),
    BrokenRule("every lease is one reader's own", REDIS, "LEASE + os.urandom(12).hex().encode()", 'LEASE + b"0" * 24'),
    BrokenRule("a lease ends by itself", REDIS, "LEASE_MILLISECONDS = 5_000", "LEASE_MILLISECONDS = 86_400_000"),
    BrokenRule("a marker outlives every transaction", REDIS, "self._patience.marker)", "1)"),
    BrokenRule(
        "the breaker never keeps a writer from trying",
        REDIS,
        "        seconds = max(seconds, self._patience.cache_send)\n",
        "        seconds = max(seconds, self._patience.cache_send)\n"
        "        if not self._connection.breaker.lets_through():\n            return False\n",
    ),
    BrokenRule(
        "what is no profile is replaced only while it is the same",
        SCRIPTS,
        "if type(held) == 'string' and held ~= ARGV[1] then return 0 end\nredis.call('SET', KEYS[1], ARGV[2]",
        "redis.call('SET', KEYS[1], ARGV[2]",
    ),
    BrokenRule(
        "the lease is taken before the read",
        CHECK,
        "    found = scores.look_up(application.customer_id, today)\n",
        "    early = assess(store().credit_record(application.customer_id, today).record, today)\n"
        "    found = scores.look_up(application.customer_id, today)\n"
        "    if found.lease is not None:\n"
        "        scores.fill(found.lease, early)\n",
    ),
    BrokenRule(
        "the marker is there before the commit",
        CREATE,
        "    write.begin()\n    loan = transaction.add_loan(request, decision, today)\n",
        "    loan = transaction.add_loan(request, decision, today)\n    transaction.commit()\n    write.begin()\n",
    ),
    BrokenRule(
        "the entry is dropped after the commit",
        CREATE,
        "not write.finish(in_haste=seconds_left() < patience.time_to_answer)",
        "False",
    ),
    BrokenRule(
        "the entry is not dropped before the commit",
        CREATE,
        "    transaction.commit()\n    return LoanResult(decision, loan, profile)\n",
        "    write.finish(in_haste=False)\n    write.finish = lambda in_haste: True\n"
        "    transaction.commit()\n    return LoanResult(decision, loan, profile)\n",
    ),
    BrokenRule(
        "every loan leaves a row in the outbox",
        "db/0004_other_writers.sql",
        "SELECT NEW.customer_id, COALESCE(CONCAT('write:', NEW.request_id), '') FROM DUAL\n WHERE NOT",
        "SELECT NEW.customer_id, COALESCE(CONCAT('write:', NEW.request_id), '') FROM DUAL\n WHERE FALSE AND NOT",
    ),
    BrokenRule("a rollback removes the marker", CREATE, "            write.retract()", "            pass"),
    BrokenRule("an unknown outcome keeps the marker", CREATE, "if not tries.in_doubt:", "if True:"),
    BrokenRule(
        "a lost marker does not lose the delete as well",
        REDIS,
        "min(self._patience.cache_write, self._seconds_left)",
        "min(0.03, self._seconds_left)",
    ),
    BrokenRule(
        "the cache never approves",
        CREATE,
        "    if decision.approved:\n        cache_use",
        "    if False:\n        cache_use",
    ),
    BrokenRule("a profile ends with the day it is valid through", DOCUMENT, "today <= profile.valid_through", "True"),
    BrokenRule(
        "a sweep's rows go only once Redis has confirmed",
        REFRESH,
        "self.cache.finish_writes(batch.invalidations)\n",
        "pass\n",
    ),
    BrokenRule(
        "what is renewed was read after it was seen",
        BULK,
        "self._script(SET_IF_SAME, new.customer_id, seen.text, to_document(new, self._keyspace.mark), TTL_SECONDS)",
        '("SET", self._keyspace.entry(new.customer_id), to_document(new, self._keyspace.mark), "EX", TTL_SECONDS)',
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
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", *TESTS]
        run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return None
        failed = [line.split(" ")[1] for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if not failed:
            raise SystemExit(f"The tests did not run without the rule that {broken.rule}:\n{run.stdout}{run.stderr}")
        return failed[0].rpartition("::")[2]


if __name__ == "__main__":
    sys.exit(main())
