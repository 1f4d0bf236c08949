from dataclasses import FrozenInstanceError
from datetime import UTC
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lending.config import InvalidSettingError, Settings

REQUIRED = {"DB_HOST": "db.example", "DB_NAME": "lending", "DB_USER": "service"}

OPTIONAL = (
    *("DB_PORT", "DB_SECRET_ID", "DB_PASSWORD", "DB_TLS_CA", "DB_PROXY", "DB_IAM_USER"),
    *("REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_TLS", "REDIS_SECRET_ID", "REDIS_IAM_USER", "REDIS_IAM_CACHE"),
    "REDIS_IAM_SERVERLESS",
    *("REDIS_TLS_CA", "REDIS_KEY_PREFIX", "DB_MARK", "SWEEP_SECONDS", "BUSINESS_TIMEZONE", "REQUIRED_SCOPE"),
)


def test_what_is_not_set_has_a_default() -> None:
    assert Settings.from_env(REQUIRED) == Settings(
        db_host="db.example",
        db_port=3306,
        db_name="lending",
        db_iam_user=None,
        db_secret_id=None,
        db_user="service",
        db_password="",
        db_proxy=False,
        db_tls_ca=None,
        redis_host="localhost",
        redis_port=6379,
        redis_db=1,
        redis_tls=False,
        redis_tls_ca=None,
        redis_key_prefix="",
        redis_secret_id=None,
        redis_iam_user=None,
        redis_iam_cache="",
        redis_iam_serverless=False,
        db_mark=sha256(b"db.example:3306/lending").hexdigest()[:8],
        sweep_seconds=1,
        business_timezone=UTC,
        required_scope=None,
    )


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_empty_variable_is_as_good_as_none(name: str) -> None:
    """A template can pass an empty parameter on, but not leave the variable out."""
    assert Settings.from_env(REQUIRED | {name: ""}) == Settings.from_env(REQUIRED)


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("DB_HOST", "10.0.0.7", "db_host", "10.0.0.7"),
        ("REQUIRED_SCOPE", "https://api.example/loans.write", "required_scope", "https://api.example/loans.write"),
        ("DB_PORT", "1", "db_port", 1),
        ("DB_PORT", "65535", "db_port", 65535),
        ("DB_NAME", "loans", "db_name", "loans"),
        ("DB_USER", "reader", "db_user", "reader"),
        ("DB_PASSWORD", "pa ss", "db_password", "pa ss"),
        ("DB_TLS_CA", "/opt/ca.pem", "db_tls_ca", "/opt/ca.pem"),
        ("REDIS_HOST", "cache.example", "redis_host", "cache.example"),
        ("REDIS_PORT", "1", "redis_port", 1),
        ("REDIS_PORT", "65535", "redis_port", 65535),
        ("REDIS_DB", "0", "redis_db", 0),
        ("REDIS_DB", "15", "redis_db", 15),
        ("REDIS_TLS", "true", "redis_tls", True),
        ("REDIS_TLS", "false", "redis_tls", False),
        ("REDIS_SECRET_ID", "cache-login", "redis_secret_id", "cache-login"),
        ("BUSINESS_TIMEZONE", "UTC", "business_timezone", UTC),
        ("BUSINESS_TIMEZONE", "Asia/Kolkata", "business_timezone", ZoneInfo("Asia/Kolkata")),
    ],
)
def test_a_variable_sets_its_field(name: str, text: str, field: str, value: Any) -> None:
    assert getattr(Settings.from_env(REQUIRED | {name: text}), field) == value


@pytest.mark.parametrize("environ", [{}, {"DB_USER": "service", "DB_PASSWORD": "stale"}])
def test_a_secret_takes_the_place_of_the_user(environ: dict[str, str]) -> None:
    settings = Settings.from_env({"DB_HOST": "h", "DB_NAME": "n", "DB_SECRET_ID": "db-login"} | environ)

    assert settings.db_secret_id == "db-login"
    assert settings.db_user == ""


def test_a_login_to_the_cache_by_iam_names_the_user_and_the_cache() -> None:
    iam = {"REDIS_IAM_USER": "service", "REDIS_IAM_CACHE": "scores", "REDIS_TLS": "true"}
    settings = Settings.from_env(REQUIRED | iam)

    assert (settings.redis_iam_user, settings.redis_iam_cache) == ("service", "scores")
    assert not settings.redis_iam_serverless
    assert Settings.from_env(REQUIRED | iam | {"REDIS_IAM_SERVERLESS": "true"}).redis_iam_serverless
    for lacking, told in (("REDIS_IAM_CACHE", "REDIS_IAM_CACHE is not set"), ("REDIS_TLS", "REDIS_IAM_USER needs")):
        with pytest.raises(InvalidSettingError, match=told):
            Settings.from_env(REQUIRED | iam | {lacking: ""})


def test_a_login_to_the_database_by_iam_takes_the_place_of_the_others_and_needs_verified_tls() -> None:
    iam = {"DB_HOST": "h", "DB_NAME": "n", "DB_IAM_USER": "lending_functions", "DB_TLS_CA": "/opt/ca.pem"}

    assert Settings.from_env(iam).db_iam_user == "lending_functions"
    assert Settings.from_env(iam).db_user == ""
    with pytest.raises(InvalidSettingError, match="DB_TLS_CA is not set"):
        Settings.from_env(iam | {"DB_TLS_CA": ""})


@pytest.mark.parametrize("unset", [{}, {"": ""}], ids=["absent", "empty"])
@pytest.mark.parametrize("name", REQUIRED)
def test_what_has_no_default_is_asked_for_by_name(name: str, unset: dict[str, str]) -> None:
    environ = {other: value for other, value in REQUIRED.items() if other != name} | dict.fromkeys(unset, "")
    if unset:
        environ[name] = ""

    with pytest.raises(InvalidSettingError, match=f"^{name} is not set$"):
        Settings.from_env(environ)


NO_PORT = ("0", "65536", "-1", "+1", "1.0", "1e3", " 6379", "6379 ", "1_000", "0x10", "port", "\u0663", "²")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("DB_PORT", text) for text in NO_PORT),
        *(("REDIS_PORT", text) for text in NO_PORT),
        *(("REDIS_DB", text) for text in ("16", "-1", "1.0", "one", "²")),
        *(("REDIS_TLS", text) for text in ("True", "yes", "1", "0", "on", " true")),
        *(
            ("BUSINESS_TIMEZONE", text)
            for text in ("Mars/Olympus", "UTC+1", "Europe", "../../etc/passwd", "/etc/passwd")
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_itself(name: str, text: str) -> None:
    with pytest.raises(InvalidSettingError) as refusal:
        Settings.from_env(REQUIRED | {name: text})

    assert str(refusal.value).startswith(f"{name} must be ")
    assert repr(text) in str(refusal.value)


def test_no_password_shows_in_a_repr_or_an_error() -> None:
    environ = REQUIRED | {"DB_PASSWORD": "swordfish"}
    settings = Settings.from_env(environ)

    with pytest.raises(InvalidSettingError) as refusal:
        Settings.from_env(environ | {"DB_PORT": "no"})

    assert settings.db_password == "swordfish"
    for text in (repr(settings), str(settings), f"{settings}", repr(refusal.value)):
        assert "swordfish" not in text


def test_settings_stay_as_they_were_read() -> None:
    settings = Settings.from_env(REQUIRED)

    with pytest.raises(FrozenInstanceError):
        settings.db_host = "elsewhere"  # type: ignore[misc]
