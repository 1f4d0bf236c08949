"""What signs the logins by IAM gives what botocore gives; `SIGNATURE_EXAMPLES=10000 pytest` compares more."""

import os
import string
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from lending.adapters.aws_signature import Credentials, signed
from testkit.iam import cache_token, database_token

EXAMPLES = settings(max_examples=int(os.environ.get("SIGNATURE_EXAMPLES", "60")), deadline=None)
NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=40)
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40)
SECRETS = st.text(string.ascii_letters + string.digits + "+/=", min_size=1, max_size=60)
KEYS = st.tuples(
    st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=20), SECRETS, SECRETS | st.just("")
)
MOMENTS = st.integers(0, 4_102_444_800).map(
    lambda seconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
REGIONS = st.sampled_from(["eu-central-1", "us-gov-west-1", "cn-north-1", "ap-southeast-7"])


KINDS = st.sampled_from([{}, {"ResourceType": "ServerlessCache"}])


@given(cache=NAMES, user=ANY_TEXT, keys=KEYS, kind=KINDS, region=REGIONS, at=MOMENTS)
@EXAMPLES
def test_a_caches_token_is_botocores(
    cache: str, user: str, keys: tuple[str, str, str], kind: dict[str, str], region: str, at: datetime
) -> None:
    query = {"Action": "connect", "User": user} | kind

    token = signed("elasticache", cache, query, Credentials(*keys, region), at.timestamp() + 0.9)

    assert token == cache_token(cache, urlencode(query), keys, region, at)


@given(host=NAMES, port=st.integers(1150, 65535), user=ANY_TEXT, keys=KEYS, region=REGIONS, at=MOMENTS)
@EXAMPLES
def test_a_databases_token_is_botocores(
    host: str, port: int, user: str, keys: tuple[str, str, str], region: str, at: datetime
) -> None:
    place = f"{host}.x.{region}.rds.amazonaws.com"
    query = {"Action": "connect", "DBUser": user}

    token = signed("rds-db", f"{place}:{port}", query, Credentials(*keys, region), at.timestamp())

    assert token == database_token(place, port, user, keys, region, at)


def test_credentials_show_no_secret() -> None:
    shown = repr(Credentials("AKID", "swordfish", "token", "eu-west-1"))

    assert shown == "Credentials(key_id='AKID', region='eu-west-1')"
