"""Break each rule of the cache protocol in turn, and see whether the tests notice: `make mutants`.

A mutant is a copy of the tree with one piece of text replaced. It is caught when the tests fail, and it survives when
they pass; a survivor is a rule that nothing holds. A rule whose text is no longer there is an error of this list.
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
CREATE = f"{LENDING}/use_cases/create_loan.py"
CHECK = f"{LENDING}/use_cases/check_eligibility.py"
REFRESH = f"{LENDING}/use_cases/refresh_cache.py"
DOCUMENT = f"{LENDING}/adapters/score_document.py"

# The quickest to notice come first; what none of these notices survives.
TESTS = (
    "tests/integration/test_caching.py",
    "tests/unit/test_use_cases.py",
    "tests/integration/test_refresh_cache.py",
    "tests/protocol/test_interleavings.py",
    "tests/protocol/test_doubles.py",
    "tests/integration/test_cache_outages.py",
    "tests/money/test_unknown_outcomes.py",
)


class Mutant(NamedTuple):
    """A rule, and how it is broken."""

    rule: str
    file: str
    text: str
    broken: str


MUTANTS = (
    Mutant(
        "a fill replaces only its own lease",
        REDIS,
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nredis.call('SET'",
        "redis.call('SET'",
    ),
    Mutant(
        "a delete leaves another writer's marker",
        REDIS,
        "and held ~= ARGV[1] then return 0 end\nreturn",
        "and false then return 0 end\nreturn",
    ),
    Mutant(
        "a rollback removes only its own marker",
        REDIS,
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\nreturn redis.call('DEL'",
        "return redis.call('DEL'",
    ),
    Mutant(
        "a marker keeps readers from taking the lease",
        REDIS,
        "held.startswith((LEASE, MARKER))",
        "held.startswith(LEASE)",
    ),
    Mutant(
        "a lease keeps other readers from taking it",
        REDIS,
        "held.startswith((LEASE, MARKER))",
        "held.startswith(MARKER)",
    ),
    Mutant("every request has a token of its own", REDIS, "kind + os.urandom(12).hex().encode()", 'kind + b"0" * 24'),
    Mutant("a lease ends by itself", REDIS, "LEASE_MILLISECONDS = 5_000", "LEASE_MILLISECONDS = 86_400_000"),
    Mutant(
        "a marker outlives every transaction", REDIS, "MARKER_MILLISECONDS = 900_000", "MARKER_MILLISECONDS = 1_000"
    ),
    Mutant(
        "the breaker never keeps a writer from trying",
        REDIS,
        '        """Run a command for its effect; return whether Redis answered it."""\n',
        '        """Run a command for its effect; return whether Redis answered it."""\n'
        "        if not self._connection.breaker.lets_through():\n            return False\n",
    ),
    Mutant(
        "what is no profile is replaced only while it is the same",
        REDIS,
        "if type(held) == 'string' and held ~= ARGV[1] then return 0 end\nredis.call('SET', KEYS[1], ARGV[2]",
        "redis.call('SET', KEYS[1], ARGV[2]",
    ),
    Mutant(
        "the lease is taken before the read",
        CHECK,
        "    answer = scores.look_up(application.customer_id, today)\n",
        "    early = assess(store().credit_record(application.customer_id, today), today)\n"
        "    answer = scores.look_up(application.customer_id, today)\n"
        "    if answer.lease is not None:\n"
        "        scores.fill(answer.lease, early)\n",
    ),
    Mutant(
        "the marker is there before the commit",
        CREATE,
        "            transaction.commit()\n            return LoanResult(decision, loan_id)",
        "            transaction.commit()\n            self._marker = self._scores.begin_write(customer_id)\n"
        "            return LoanResult(decision, loan_id)",
    ),
    Mutant(
        "the entry is dropped after the commit",
        CREATE,
        "done = self._scores.finish_write(self._request.application.customer_id, self._marker)",
        "done = True",
    ),
    Mutant(
        "the entry is not dropped before the commit",
        CREATE,
        "            transaction.commit()\n            return LoanResult(decision, loan_id)",
        "            self._scores.finish_write(customer_id, self._marker)\n            self._marker = None\n"
        "            transaction.commit()\n            return LoanResult(decision, loan_id)",
    ),
    Mutant(
        "every loan leaves a row in the outbox",
        CREATE,
        "transaction.add_invalidation(customer_id, self._marker)",
        "pass",
    ),
    Mutant(
        "a rollback removes the marker",
        CREATE,
        "self._scores.retract_write(self._request.application.customer_id, self._marker)",
        "pass",
    ),
    Mutant(
        "an unknown outcome keeps the marker",
        CREATE,
        "if self._marker is not None and not self._outcome_unknown:",
        "if self._marker is not None:",
    ),
    Mutant(
        "a lost marker does not lose the delete as well",
        REDIS,
        "WRITE_TIMEOUT_SECONDS = 0.09",
        "WRITE_TIMEOUT_SECONDS = 0.03",
    ),
    Mutant(
        "the cache never approves",
        CREATE,
        "    if decision.approved:\n        cache_use",
        "    if False:\n        cache_use",
    ),
    Mutant("a profile ends with the day it is valid through", DOCUMENT, "today <= profile.valid_through", "True"),
    Mutant(
        "a sweep's rows go only once Redis has confirmed",
        REFRESH,
        "self.keeper.finish_writes(batch.invalidations)\n",
        "pass\n",
    ),
    Mutant(
        "what is renewed was read after it was seen",
        f"{LENDING}/adapters/redis_bulk_scores.py",
        '("EVAL", SET_IF_SAME, 1, key_of(new.customer_id), seen.text, to_document(new), TTL_SECONDS)',
        '("SET", key_of(new.customer_id), to_document(new), "EX", TTL_SECONDS)',
    ),
)


def main() -> int:
    """Run the tests on each mutant; return 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", help="only the rules that hold one of these words")
    words = parser.parse_args().words
    mutants = [m for m in MUTANTS if not words or any(word in m.rule for word in words)]
    survivors = 0
    for mutant in mutants:
        noticed = _noticed_by(mutant)
        survivors += noticed is None
        print(f"{'survived' if noticed is None else 'caught':9} {mutant.rule:60} {noticed or ''}", flush=True)
    print(f"{len(mutants) - survivors} of {len(mutants)} mutants caught")
    return 1 if survivors else 0


def _noticed_by(mutant: Mutant) -> str | None:
    """Return the first test that fails on the mutant; None when all pass."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".local", ".aws-sam"))
        source = tree / mutant.file
        text = source.read_text(encoding="utf-8")
        if mutant.text not in text:
            raise SystemExit(f"{mutant.file} no longer has the text of the rule that {mutant.rule}")
        source.write_text(text.replace(mutant.text, mutant.broken), encoding="utf-8")
        # Before the editable install, which leads to the sound tree.
        environment = os.environ | {"PYTHONPATH": str(tree / LENDING / "..")}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", *TESTS]
        run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return None
        failed = [line.split(" ")[1] for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if not failed:
            raise SystemExit(f"The tests did not run on the mutant of {mutant.rule}:\n{run.stdout}{run.stderr}")
        return failed[0].rpartition("::")[2]


if __name__ == "__main__":
    sys.exit(main())
