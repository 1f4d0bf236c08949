"""The authorities that the layer brings: complete, in force, and acceptable to Python's strict verification."""

import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from testkit.template import ROOT

FILES = sorted((ROOT / "layers/common/certificates").glob("*.pem"))
OF_REGIONS = [file for file in FILES if file.stem.startswith("rds-")]
KINDS = ("RSA2048 G1", "RSA4096 G1", "ECC384 G1")


def authorities(file: Path) -> list[dict[str, Any]]:
    """Return a file's authorities as Python's ssl reads them."""
    return ssl.create_default_context(cafile=str(file)).get_ca_certs()


def names_in(file: Path) -> list[str]:
    """Return the common names of a file's authorities."""
    subjects = [dict(attributes[0] for attributes in each["subject"]) for each in authorities(file)]
    return [str(subject["commonName"]) for subject in subjects]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_authority_is_in_force(file: Path) -> None:
    for authority in authorities(file):
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(authority["notAfter"]), UTC)
        assert ends > datetime.now(UTC)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_certificate_of_a_file_is_taken(file: Path) -> None:
    """What OpenSSL cannot read in the middle of a file, it leaves out without a word."""
    assert len(names_in(file)) == len(re.findall("BEGIN CERTIFICATE", file.read_text()))


@pytest.mark.parametrize("file", OF_REGIONS, ids=lambda file: file.stem)
def test_every_authority_of_rds_is_formed_as_strict_verification_wants(file: Path) -> None:
    for authority in x509.load_pem_x509_certificates(file.read_bytes()):
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value.ca
        assert authority.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        assert authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        authority.verify_directly_issued_by(authority)


@pytest.mark.parametrize("file", OF_REGIONS, ids=lambda file: file.stem)
def test_a_region_trusts_its_own_authorities_alone(file: Path) -> None:
    region = file.stem.removeprefix("rds-")

    assert sorted(names_in(file)) == sorted(f"Amazon RDS {region} Root CA {kind}" for kind in KINDS)


def test_the_proxy_is_vouched_for_by_amazons_public_authorities() -> None:
    [file] = set(FILES) - set(OF_REGIONS)

    assert sum(name.startswith("Amazon Root CA ") for name in names_in(file)) == 4
