"""compose.yaml starts what the template deploys and what `make up` would start in its place."""

import re
from typing import Any

import yaml

from local.servers import mysql_server, redis_server
from testkit.template import ROOT, resources

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]


def test_its_servers_are_those_of_make_up() -> None:
    assert SERVICES["mysql"]["image"] == mysql_server.IMAGE
    assert SERVICES["redis"]["image"] == redis_server.IMAGE


def test_mysql_has_the_version_of_the_database() -> None:
    [database] = resources("AWS::RDS::DBInstance").values()

    assert SERVICES["mysql"]["image"] == f"mysql:{database['EngineVersion']}"


def test_nobody_else_on_the_network_reaches_them() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_variables_it_tells_are_those_of_its_servers() -> None:
    told = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^#   export (.*)$", TEXT, re.MULTILINE))))
    mysql = SERVICES["mysql"]["environment"]

    assert (told["DB_NAME"], told["DB_USER"], told["DB_PASSWORD"]) == (
        mysql["MYSQL_DATABASE"],
        mysql["MYSQL_USER"],
        mysql["MYSQL_PASSWORD"],
    )
    assert f"{told['DB_HOST']}:{told['DB_PORT']}:3306" in SERVICES["mysql"]["ports"]
    assert f"{told['REDIS_HOST']}:{told['REDIS_PORT']}:6379" in SERVICES["redis"]["ports"]
