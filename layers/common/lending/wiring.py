"""Settings and adapters, built on first use and kept while the environment is warm; importing opens nothing."""

import os
from datetime import date, datetime
from functools import cache

from lending.adapters.aws_secrets import GivenLogin, SecretsManagerLogin
from lending.adapters.redis_scores import RedisScoreCache
from lending.config import Settings
from lending.ports import LoanStore, ScoreCache


@cache
def settings() -> Settings:
    """Return the settings of this environment."""
    return Settings.from_env(os.environ)


@cache
def loan_store() -> LoanStore:
    """Return the loan store; it connects when it is first asked something."""
    # Imported here: a hit needs no database, and no driver.
    from lending.adapters.mysql_connection import MySQLConnection
    from lending.adapters.mysql_loans import MySQLLoanStore

    given = settings()
    login = (
        SecretsManagerLogin(given.db_secret_id) if given.db_secret_id else GivenLogin(given.db_user, given.db_password)
    )
    return MySQLLoanStore(MySQLConnection(given, login))


@cache
def score_cache() -> ScoreCache:
    """Return the score cache; it connects when it is first asked something."""
    given = settings()
    return RedisScoreCache(given, SecretsManagerLogin(given.redis_secret_id) if given.redis_secret_id else None)


def today() -> date:
    """Return the date where the business is."""
    return datetime.now(settings().business_timezone).date()
