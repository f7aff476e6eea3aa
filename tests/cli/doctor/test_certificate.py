from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import trustme

from sams.cli.doctor.certificate import check_pair
from sams.cli.doctor.finding import Finding, Level
from tests.support.certificates import rsa_pair

NAME = "smtp.example.org"
WARN = (21 * 86_400.0, 7 * 86_400.0, 86_400.0)
ENDS = dt.datetime(2027, 6, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA().create_child_ca()


def _files(folder: Path, issued: trustme.LeafCert, *, chain: slice = slice(None)) -> tuple[Path, Path]:
    certificate, key = folder / "chain.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems[chain]))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


def _check(certificate: Path, key: Path, *, before_end: float = 90 * 86_400.0) -> list[Finding]:
    return list(check_pair(NAME, certificate, key, WARN, ENDS.timestamp() - before_end))


def _worst(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.level is not Level.OK]


def test_a_good_pair_is_fine(ca: trustme.CA, tmp_path: Path) -> None:
    findings = _check(*_files(tmp_path, ca.issue_cert(NAME, not_after=ENDS)))
    assert _worst(findings) == []
    assert len(findings) == 4


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [
        (30, Level.OK, "lasts until 2027-06-01"),
        (20, Level.WARN, "ends in 20 d"),
        (2, Level.WARN, "ends in 2 d"),
        (0.5, Level.FAIL, "ends in 12 h"),
        (-1, Level.FAIL, "ended on 2027-06-01"),
    ],
)
def test_its_end_is_told_in_time(
    ca: trustme.CA, tmp_path: Path, days: float, level: Level, words: str
) -> None:
    pair = _files(tmp_path, ca.issue_cert(NAME, not_after=ENDS))
    found = [each for each in _check(*pair, before_end=days * 86_400) if words in each.what]
    assert [each.level for each in found] == [level]


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        ((NAME,), True),
        (("SMTP.example.org",), True),
        (("*.example.org",), True),
        (("other.example.org", NAME), True),
        (("example.org",), False),
        (("*.smtp.example.org",), False),
        (("*.org",), False),
    ],
)
def test_it_must_be_for_the_name(
    ca: trustme.CA, tmp_path: Path, names: tuple[str, ...], covered: bool
) -> None:
    worst = _worst(_check(*_files(tmp_path, ca.issue_cert(*names, not_after=ENDS))))
    assert any("mail programs will refuse it" in what for what in worst) is not covered


def test_a_key_of_another_certificate_is_found(ca: trustme.CA, tmp_path: Path) -> None:
    certificate, key = _files(tmp_path, ca.issue_cert(NAME, not_after=ENDS))
    key.write_bytes(ca.issue_cert(NAME).private_key_pem.bytes())
    assert any("belongs to another certificate" in what for what in _worst(_check(certificate, key)))


def test_a_chain_without_its_middle_and_one_in_a_wrong_order_are_found(
    ca: trustme.CA, tmp_path: Path
) -> None:
    issued = ca.issue_cert(NAME, not_after=ENDS)
    assert any(
        "no intermediate" in what for what in _worst(_check(*_files(tmp_path, issued, chain=slice(1))))
    )
    certificate, key = _files(tmp_path, issued)
    certificate.write_bytes(certificate.read_bytes() + ca.issue_cert(NAME).cert_chain_pems[0].bytes())
    assert any("wrong order" in what for what in _worst(_check(certificate, key)))


def test_one_that_signs_itself_is_found(tmp_path: Path) -> None:
    pair = rsa_pair(NAME)
    (tmp_path / "chain.pem").write_bytes(pair.chain)
    (tmp_path / "key.pem").write_bytes(pair.key)
    findings = check_pair(
        NAME, tmp_path / "chain.pem", tmp_path / "key.pem", WARN, dt.datetime.now(dt.UTC).timestamp()
    )
    assert any("signs itself" in what for what in _worst(list(findings)))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_that_cannot_be_used_is_one_finding(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "chain.pem").write_bytes(content)
    (finding,) = _check(tmp_path / "chain.pem", tmp_path / "key.pem")
    assert finding.level is Level.FAIL
    assert finding.advice
