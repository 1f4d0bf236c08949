"""The settings, read once from the environment; a wrong value fails at once and by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from hashlib import sha256

MAX_PORT = 65_535
MAX_DIGITS = 5
MAX_SWEEP_SECONDS = 60
WORD = re.compile("[A-Za-z0-9._:-]{1,40}").fullmatch
SCOPE = re.compile("[A-Za-z0-9._:/-]{1,200}").fullmatch
MAX_REDIS_DB = 15
"""The highest database number of a Redis as it comes; ElastiCache's too, with cluster mode off."""


class InvalidSettingError(Exception):
    """An environment variable is missing or wrong; the message names it. For the log, never for a caller."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the stores are and how to enter them. Secrets are named, or given for local use; none shows in a repr."""

    db_host: str
    db_port: int
    db_name: str
    db_iam_user: str | None
    """Account for a login by IAM; wins over the others. It needs db_tls_ca: its token goes out in clear text."""
    db_secret_id: str | None
    """Secrets Manager id of RDS's own JSON (username, password); wins over db_user and db_password."""
    db_user: str
    db_password: str
    db_proxy: bool
    """Whether a proxy stands before the database: a session's settings may then be another client's."""
    db_tls_ca: str | None
    """Path of the CA bundle; given, the connection is encrypted and the server's certificate and name are verified."""
    redis_host: str
    redis_port: int
    redis_db: int
    redis_tls: bool
    redis_tls_ca: str | None
    """Path of the CA bundle to verify the server with; absent, the system's."""
    redis_key_prefix: str
    """Before every key: keeps several services on one Redis apart."""
    redis_secret_id: str | None
    """Secrets Manager id of a JSON with username and password; absent, no login."""
    redis_iam_user: str | None
    """User id for a login by IAM instead; then redis_iam_cache is the replication group's or serverless cache's id."""
    redis_iam_cache: str
    redis_iam_serverless: bool
    """Whether that cache is of ElastiCache Serverless, which signs another request."""
    db_mark: str
    """Names the database in every cached document: another database's is a miss. A restore changes it."""
    sweep_seconds: int
    """From one sweep of refresh_cache to the next; 60 is once a run."""
    business_timezone: tzinfo
    """Where `today` begins and ends."""
    required_scope: str | None
    """The scope that a caller's token must have; None when none is asked for."""

    def __repr__(self) -> str:
        db = f"{self.db_host}:{self.db_port}/{self.db_name}"
        return f"Settings(db={db}, redis={self.redis_host}:{self.redis_port}/{self.redis_db})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings in the environment variables.

        Raises:
            InvalidSettingError: A variable is missing or wrong; the message names it.
        """
        db_iam_user = environ.get("DB_IAM_USER") or None
        db_secret_id = environ.get("DB_SECRET_ID") or None
        redis_iam_user = environ.get("REDIS_IAM_USER") or None
        redis_tls = _boolean(environ, "REDIS_TLS")
        if redis_iam_user and not redis_tls:
            raise InvalidSettingError("REDIS_IAM_USER needs REDIS_TLS: a token is a password")
        return cls(
            db_host=_required(environ, "DB_HOST"),
            db_port=_integer(environ, "DB_PORT", "3306", 1, MAX_PORT),
            db_name=_required(environ, "DB_NAME"),
            db_iam_user=db_iam_user,
            db_secret_id=db_secret_id,
            db_user="" if db_iam_user or db_secret_id else _required(environ, "DB_USER"),
            db_password=environ.get("DB_PASSWORD", ""),
            db_proxy=_boolean(environ, "DB_PROXY"),
            db_tls_ca=_required(environ, "DB_TLS_CA") if db_iam_user else environ.get("DB_TLS_CA") or None,
            redis_host=environ.get("REDIS_HOST") or "localhost",
            redis_port=_integer(environ, "REDIS_PORT", "6379", 1, MAX_PORT),
            redis_db=_integer(environ, "REDIS_DB", "1", 0, MAX_REDIS_DB),
            redis_tls=redis_tls,
            redis_tls_ca=environ.get("REDIS_TLS_CA") or None,
            redis_key_prefix=_word(environ, "REDIS_KEY_PREFIX", ""),
            redis_secret_id=environ.get("REDIS_SECRET_ID") or None,
            redis_iam_user=redis_iam_user,
            redis_iam_cache=_required(environ, "REDIS_IAM_CACHE") if redis_iam_user else "",
            redis_iam_serverless=_boolean(environ, "REDIS_IAM_SERVERLESS"),
            db_mark=_word(environ, "DB_MARK", _mark_of(environ)),
            sweep_seconds=_integer(environ, "SWEEP_SECONDS", "1", 1, MAX_SWEEP_SECONDS),
            business_timezone=_timezone(environ, "BUSINESS_TIMEZONE"),
            required_scope=_scope(environ, "REQUIRED_SCOPE"),
        )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise InvalidSettingError(f"{name} is not set")
    return value


def _integer(environ: Mapping[str, str], name: str, default: str, low: int, high: int) -> int:
    text = environ.get(name) or default
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and low <= int(text) <= high):
        raise InvalidSettingError(f"{name} must be an integer from {low} to {high}, not {text!r}")
    return int(text)


def _word(environ: Mapping[str, str], name: str, default: str) -> str:
    text = environ.get(name) or default
    if text and not WORD(text):
        raise InvalidSettingError(f"{name} must be 1 to 40 of the characters A-Z a-z 0-9 . _ : -, not {text!r}")
    return text


def _scope(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name)
    if text and not SCOPE(text):
        raise InvalidSettingError(f"{name} must be 1 to 200 of the characters A-Z a-z 0-9 . _ : / -, not {text!r}")
    return text or None


def _mark_of(environ: Mapping[str, str]) -> str:
    """Return 8 hex digits for where the database is."""
    place = f"{environ.get('DB_HOST')}:{environ.get('DB_PORT') or 3306}/{environ.get('DB_NAME')}"
    return sha256(place.encode()).hexdigest()[:8]


def _boolean(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name) or "false"
    if text not in {"true", "false"}:
        raise InvalidSettingError(f"{name} must be true or false, not {text!r}")
    return text == "true"


def _timezone(environ: Mapping[str, str], name: str) -> tzinfo:
    key = environ.get(name) or "UTC"
    if key == "UTC":
        return UTC
    # zoneinfo costs a cold start some milliseconds that the default need not pay.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError) as exc:
        raise InvalidSettingError(f"{name} must be an IANA time zone, not {key!r}") from exc
