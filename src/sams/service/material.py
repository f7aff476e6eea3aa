"""What is read before anything is given up: the configuration, and the contents of files that only root may read.

A worker runs as the service's user and may no longer read a private key. So whoever has the rights reads
everything once, and hands it on in memory: by the fork at start, through the worker's channel at a reload.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sams.config.loading import load
from sams.config.model import Config, Listener
from sams.config.sender_maps import SenderFile
from sams.config.system_checks import named_files
from sams.core.clock import SystemClock
from sams.core.errors import OperatorError
from sams.identity.logins import LoginForms
from sams.identity.sender_index import SenderIndex, read_index
from sams.service.channel import LARGEST
from sams.service.tls_contexts import ClientAuthority, HostCertificates, KeyPair

_LARGEST_FILE = 1_048_576


@dataclass(frozen=True, slots=True)
class Material:
    """All that the object graph is built from.

    hosts: the certificates; the first is the default's, with an empty name.
    passwords: for the next hops, by the route's id; never shown.
    secrets: of the sources of accounts, by the file that holds each; never shown.
    warnings: what the configuration's check had to say, for the log.
    clients: whose client certificates each listener takes, in their order; may be shorter: no more take any.
    maps: what the file of each `[[senders.map]]` says, in their order; empty for one that is asked; may be shorter.
    read_at: when all of it was read, UNIX seconds; alike in all workers.
    """

    config: Config
    hosts: tuple[HostCertificates, ...]
    passwords: dict[str, str] = field(repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()
    clients: tuple[ClientAuthority | None, ...] = ()
    maps: tuple[SenderIndex, ...] = field(default=(), repr=False)
    read_at: float = 0.0

    def clients_of(self, listener: int) -> ClientAuthority | None:
        """Whose client certificates this listener takes, by its place."""
        return self.clients[listener] if listener < len(self.clients) else None

    def index_of(self, at: int) -> SenderIndex:
        """What the file of this map of senders says, by its place."""
        return self.maps[at] if at < len(self.maps) else {}


def read_material(path: Path) -> Material:
    """Read and check everything that a configuration names.

    Raises:
        OperatorError: something is wrong or missing; the message says what to do.
    """
    loaded = load(path)
    config = loaded.config
    tls = config.tls
    hosts = [HostCertificates("", _pairs(tls.certificate, tls.private_key))]
    hosts += [HostCertificates(host.name, _pairs(host.certificate, host.private_key)) for host in tls.hosts]
    passwords = {
        route.id: _first_line(route.password_file)
        for route in config.routes
        if route.password_file is not None
    }
    secrets = {
        str(file): _first_line(file)
        for at, source in enumerate(config.accounts.sources)
        for _, file, is_secret in named_files(source, ("accounts", "source", at))
        if is_secret
    }
    for at, one in enumerate(config.senders.maps):
        found = named_files(one, ("senders", "map", at))
        secrets.update({str(file): _first_line(file) for _, file, is_secret in found if is_secret})
    warnings = tuple(warning.show(path) for warning in loaded.warnings)
    clients = tuple(_clients(listener) for listener in config.listeners)
    now = SystemClock().now()
    return Material(config, tuple(hosts), passwords, secrets, warnings, clients, _maps(config), now)


def encode(material: Material) -> bytes:
    """For a worker's channel.

    Raises:
        OperatorError: it is too large for that.
    """
    octets = msgspec.msgpack.encode(material, enc_hook=str)
    if len(octets) > LARGEST - 64:
        raise OperatorError(
            "the certificates of all names and the maps of senders are too large together: restart the service"
        )
    return octets


def decode(data: bytes) -> Material:
    """From the supervisor."""
    return msgspec.msgpack.decode(data, type=Material, dec_hook=_decode_path)


def _decode_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"cannot decode a {kind.__name__}")


def _pairs(certificates: Sequence[Path], keys: Sequence[Path]) -> tuple[KeyPair, ...]:
    return tuple(
        KeyPair(_content(certificate), _content(key), f"{certificate} and {key}")
        for certificate, key in zip(certificates, keys, strict=True)
    )


def _clients(listener: Listener) -> ClientAuthority | None:
    if listener.client_ca is None:
        return None
    if listener.client_crl is None:
        return ClientAuthority(_content(listener.client_ca), source=str(listener.client_ca))
    source = f"{listener.client_ca} and {listener.client_crl}"
    return ClientAuthority(_content(listener.client_ca), _content(listener.client_crl), source)


def _maps(config: Config) -> tuple[SenderIndex, ...]:
    """Made of what is read here, so that workers need no rights to the files and all have the same."""
    forms = LoginForms(config.accounts.domains, config.accounts.windows_domains)
    return tuple(
        read_index(one.path, forms) if isinstance(one, SenderFile) else {} for one in config.senders.maps
    )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}") from None


def _first_line(path: Path) -> str:
    line = _content(path).split(b"\n", 1)[0].rstrip(b"\r")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise OperatorError(f"{path}: the password is not UTF-8") from None
