"""How TLS is spoken: each context against a server that speaks one version."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from sams_probe.looks.connection import Target, look
from sams_probe.looks.findings import Stage
from sams_probe.looks.port import look_at
from sams_probe.names.found import Address
from sams_probe.options import Port, Security
from sams_probe.verdicts.judging import Report, judge
from sams_probe.wire.contexts import VERSIONS, limit, make_contexts
from tests.probe.certificates import HOST
from tests.probe.desk import PATIENT, Desk
from tests.support.middlebox import Smtp, standing

OLD = pytest.mark.filterwarnings("ignore:ssl.(TLSVersion|OP_NO):DeprecationWarning")


def target(port: int) -> Target:
    return Target(HOST, Address("127.0.0.1", 4), Port(port, Security.TLS), PATIENT)


def loose() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


@OLD
@pytest.mark.parametrize("by_bounds", [True, False])
@pytest.mark.parametrize("name", list(VERSIONS))
def test_a_context_of_one_version_speaks_that_one_alone(desk: Desk, name: str, *, by_bounds: bool) -> None:
    context = loose()
    limit(context, VERSIONS[name], VERSIONS[name], by_bounds=by_bounds)
    with standing(Smtp(desk.good.context(newest=ssl.TLSVersion.TLSv1_3), implicit=True)) as port:
        shaken = look(target(port), context, until=Stage.HANDSHAKE).handshake
    assert shaken is not None
    assert shaken.version == name


@OLD
@pytest.mark.parametrize("by_bounds", [True, False])
def test_a_lowest_version_is_kept_and_none_is_none(desk: Desk, *, by_bounds: bool) -> None:
    with standing(Smtp(desk.good.context(newest=ssl.TLSVersion.TLSv1_1), implicit=True)) as port:
        context = loose()
        limit(context, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED, by_bounds=by_bounds)
        assert not look(target(port), context).secure
        limit(
            context, ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.MAXIMUM_SUPPORTED, by_bounds=by_bounds
        )
        assert look(target(port), context).secure


def test_a_python_without_authorities_says_that_it_cannot_judge(desk: Desk) -> None:
    contexts = make_contexts(str(desk.ca_file))
    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with standing(Smtp(desk.good.context(), implicit=True)) as port:
        found = look_at(
            target(port), contexts._replace(strict=empty, chain=empty, trusts=False), versions=False
        )
        report, _ = desk.ask(f"{port}/tls")
    judgement = judge(Report(report.names, (found,), report.clock))
    assert [one.kind for one in judgement.verdicts] == ["not-judged"]


def test_the_systems_authorities_are_found_or_none_is_said(tmp_path: Path) -> None:
    contexts = make_contexts()
    known = contexts.strict.cert_store_stats()["x509"] > 0
    assert contexts.trusts >= known
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ssl.SSLError):
        make_contexts(str(tmp_path / "empty.pem"))
    with pytest.raises(FileNotFoundError):
        make_contexts(str(tmp_path / "none.pem"))
