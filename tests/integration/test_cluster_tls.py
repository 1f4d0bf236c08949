"""A sharded Redis over TLS: each node is verified by the name by which it prefers to be asked, or not used."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import pytest

from local.servers.redis_cluster import MASTERS, Cluster, ask, start_cluster
from local.servers.redis_server import in_container, start_redis
from local.servers.server import ServerError, free_port
from testkit.certificates import CERTIFIED_HOST, Authority
from testkit.database import Database
from testkit.fakes import Customer, a_loan
from testkit.service import Service, wired

CUSTOMER = Customer(monthly_salary=Decimal(900_000), approved_limit=Decimal(30_000_000))
CUSTOMERS = range(1001, 1013)

pytestmark = pytest.mark.skipif(in_container(), reason="nodes in containers do not meet")


class TlsCluster(NamedTuple):
    """A cluster, and how the service finds it."""

    cluster: Cluster
    environment: dict[str, str]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsCluster]:
    """A cluster whose nodes say what they are called; their certificate names no address."""
    folder = tmp_path_factory.mktemp("tls-cluster")
    authority = Authority(folder / "ca.pem")
    certificate, key = folder / "server.pem", folder / "server-key.pem"
    authority.certify(CERTIFIED_HOST, certificate, key)
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    trust = ("--tls-ca-cert-file", str(authority.certificate), "--tls-auth-clients", "no")
    among_nodes = ("--tls-cluster", "yes", "--tls-replication", "yes")
    ports = [str(free_port()) for _ in range(2 * MASTERS)]
    announced = ("--cluster-announce-hostname", CERTIFIED_HOST)
    options = [("--tls-port", port, *files, *trust, *among_nodes, *announced) for port in ports]
    try:
        cluster = start_cluster(folder / "redis", options)
    except ServerError:
        start_redis(folder / "plain").close()
        pytest.skip("this Redis was built without TLS")
    place = {"REDIS_HOST": CERTIFIED_HOST, "REDIS_PORT": ports[0], "REDIS_TLS": "true", "REDIS_DB": "0"}
    with cluster:
        yield TlsCluster(cluster, place | {"REDIS_TLS_CA": str(authority.certificate)})


@pytest.fixture
def service(
    service: Service, database: Database, tls: TlsCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    for customer_id in CUSTOMERS:
        database.add_customer(customer_id, CUSTOMER, [a_loan()])
    for node in tls.cluster.nodes[:MASTERS]:
        ask(node, "FLUSHALL")
    with wired(tls.environment, monkeypatch):
        yield service


def configure(cluster: Cluster, name: str, value: str) -> None:
    for node in cluster.nodes:
        ask(node, "CONFIG", "SET", name, value)


@pytest.mark.parametrize(
    "preferred",
    [
        "hostname",
        "unknown-endpoint",  # an empty host, for "the one that you have asked"
    ],
)
def test_each_node_is_asked_by_the_name_that_the_cluster_prefers(
    preferred: str, service: Service, tls: TlsCluster
) -> None:
    configure(tls.cluster, "cluster-preferred-endpoint-type", preferred)

    first = [service.check(customer_id).cache_status for customer_id in CUSTOMERS]
    second = [service.check(customer_id).cache_status for customer_id in CUSTOMERS]
    lent = [service.create(customer_id).status for customer_id in CUSTOMERS]
    held = [ask(node, "DBSIZE") for node in tls.cluster.nodes[:MASTERS]]

    assert set(first) == {"fwd=miss; stored"}
    assert set(second) == {"hit"}
    assert set(lent) == {201}
    assert held == [0, 0, 0], "each drop reached its node"


def test_a_node_whose_certificate_names_another_host_is_refused_and_its_customers_answered(
    service: Service, tls: TlsCluster
) -> None:
    """By their addresses, which no certificate names: only the node that REDIS_HOST leads to is used."""
    configure(tls.cluster, "cluster-preferred-endpoint-type", "ip")

    answers = [service.check(customer_id) for customer_id in [*CUSTOMERS, *CUSTOMERS]]
    lent = [service.create(customer_id).status for customer_id in CUSTOMERS]
    held = [ask(node, "DBSIZE") for node in tls.cluster.nodes[:MASTERS]]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["credit_score"] for answer in answers}) == 1
    assert {answer.cache_status for answer in answers} >= {"hit", "fwd=bypass; detail=misconfigured"}
    assert set(lent) == {201}
    assert held == [0, 0, 0], "nothing was ever stored where the certificate does not match"
