"""Where a probe is run in tests: a name that leads to loopback, and an authority that is trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sams_probe.options import DnsServer as Resolver
from sams_probe.options import Options, read_port
from sams_probe.probing import probe
from sams_probe.verdicts.judging import Judgement, Report, judge
from tests.probe.certificates import HOST, Issuer, Made, authority, issue, pem
from tests.support.dns_server import DnsServer

PATIENT = 30.0
ADDRESSES = f"{HOST}. 60 IN A 127.0.0.1\n"


@dataclass
class Desk:
    """names: the resolver. root: who is trusted. good: a certificate as it should be."""

    names: DnsServer
    folder: Path
    root: Issuer = field(default_factory=authority)

    def __post_init__(self) -> None:
        self.good: Made = issue(self.root, HOST)
        self.trust(self.root)

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def trust(self, *roots: Issuer) -> None:
        self.ca_file.write_bytes(b"".join(pem(one.certificate) for one in roots))

    def options(self, *ports: str, **others: object) -> Options:
        options = Options(
            HOST,
            tuple(map(read_port, ports)),
            timeout=PATIENT,
            ca_file=str(self.ca_file),
            servers=(Resolver("127.0.0.1", self.names.port),),
        )
        return options._replace(**others)  # type: ignore[arg-type]  # by the names of its fields

    def ask(self, *ports: str, **others: object) -> tuple[Report, Judgement]:
        """Probe these ports, such as `10587/starttls`."""
        report = probe(self.options(*ports, **others))
        return report, judge(report)

    def kinds(self, *ports: str, **others: object) -> list[str]:
        """The names of the verdicts, the main one first."""
        return [one.kind for one in self.ask(*ports, **others)[1].verdicts]
