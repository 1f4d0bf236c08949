"""Settings and adapters, built on first use and kept while the environment is warm; importing opens nothing."""

import os
import random
import time
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING

from lending.adapters.aws_iam import cache_iam_login
from lending.adapters.aws_secrets import cache_login
from lending.adapters.keyspace import Keyspace
from lending.adapters.logins import LoginSource, database_login
from lending.adapters.policy_files import FOLDER, read_policies
from lending.adapters.redis_cluster import RedisCluster
from lending.adapters.redis_scores import RedisScoreCache
from lending.config import MAX_SWEEP_SECONDS, InvalidSettingError, Settings
from lending.domain.policy import Policy, in_force
from lending.patience import Patience
from lending.ports import BulkScoreCache, LoanStore, Outbox, ScoreCache

if TYPE_CHECKING:
    from lending.adapters.mysql_connection import MySQLConnection

patience = Patience()
"""How long this service waits."""


@cache
def settings() -> Settings:
    """Return the settings of this environment."""
    return Settings.from_env(os.environ)


@cache
def database() -> "MySQLConnection":
    """Return the database connection; it opens when it is first used."""
    # A hit needs neither a database nor its driver.
    from lending.adapters.mysql_connection import MySQLConnection

    return MySQLConnection(settings(), database_login(settings(), patience), patience)


@cache
def lending_database() -> "MySQLConnection":
    """Return the connection for lending; behind a proxy that of reads, on which each transaction says BEGIN."""
    return database() if settings().db_proxy else database().beside(autocommit=False)


@cache
def loan_store() -> LoanStore:
    """Return the loan store."""
    lending = lending_database()
    from lending.adapters.mysql_loans import MySQLLoanStore

    return MySQLLoanStore(database(), lending)


@cache
def redis_connection() -> RedisCluster:
    """Return the way to Redis for requests; it opens when it is first used."""
    return RedisCluster(settings(), _redis_login(), patience)


@cache
def refresh_connection() -> RedisCluster:
    """Return the way to Redis for the refresh, for which no request waits; it opens when it is first used."""
    return RedisCluster(settings(), _redis_login(), patience)


def _redis_login() -> LoginSource | None:
    given = settings()
    if given.redis_secret_id is not None:
        return cache_login(given.redis_secret_id, patience)
    if given.redis_iam_user is not None:
        return cache_iam_login(given.redis_iam_user, given, patience)
    return None


@cache
def keyspace() -> Keyspace:
    """Return which part of the Redis is ours."""
    given = settings()
    return Keyspace(given.redis_db, given.redis_key_prefix, given.db_mark)


def score_cache() -> ScoreCache:
    """Return the score cache for one request."""
    return RedisScoreCache(keyspace=keyspace(), connection=redis_connection(), patience=patience)


def bulk_score_cache() -> BulkScoreCache:
    """Return the score cache as its refresh sees it."""
    from lending.adapters.redis_bulk_scores import RedisBulkScoreCache

    return RedisBulkScoreCache(keyspace=keyspace(), connection=refresh_connection(), patience=patience)


def outbox() -> Outbox:
    """Return the committed invalidations."""
    from lending.adapters.mysql_outbox import MySQLOutbox

    return MySQLOutbox(database(), patience)


def required_scope() -> str | None:
    """Return the scope that a caller's token must have, if any."""
    return settings().required_scope


def close() -> None:
    """Close what is open and forget what is known, as the end of an environment would."""
    for connection in (database, lending_database, redis_connection, refresh_connection):
        if connection.cache_info().currsize:
            connection().close()
    for factory in (
        *(settings, keyspace, loan_store, redis_connection, refresh_connection),
        *(database, lending_database),
    ):
        factory.cache_clear()


def today() -> date:
    """Return the date where the business is."""
    return day_in(0)


def day_in(seconds: float) -> date:
    """Return the date where the business is in so many seconds; in the past where they are below 0."""
    return datetime.fromtimestamp(time.time() + seconds, settings().business_timezone).date()


@cache
def policies() -> list[Policy]:
    """Return the policies of this release, in the order of their days."""
    return [file.policy for file in read_policies(FOLDER)]


def policy_of(day: date) -> Policy:
    """Return the policy in force on a day."""
    return in_force(policies(), day)


def pause(most_seconds: float) -> None:
    """Wait for a random time, so that those who collided do not collide again."""
    time.sleep(random.uniform(0, most_seconds))


def pause_between_sweeps(most_seconds: float) -> bool:
    """Wait until the next sweep is due; return whether there is to be one in this run, which has so much time left."""
    seconds = settings().sweep_seconds
    if seconds == MAX_SWEEP_SECONDS or seconds > most_seconds:
        return False
    time.sleep(seconds)
    return True


def _fill_snapshot() -> None:
    """Import and build what a request would when it first needs it. Nothing is opened: a snapshot keeps no connection.

    A wrong setting is left to the first request, which has an answer for it.
    """
    with suppress(InvalidSettingError):
        policies()
        loan_store()
        score_cache()
        if settings().db_secret_id is not None or settings().redis_secret_id is not None:
            import boto3  # noqa: F401 - fetching a secret needs it


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    _fill_snapshot()
