"""How logins and passwords are prepared to be compared (RFC 8265), and which spellings are one login.

A login is what the administrator added. Members often type their address instead: a login without `@` is also
taken with `@` and one of the accounts' domains behind it, so that `alice` and `Alice@example.ac.uk` are one
account, and one line in the guard's books.

Whoever signs in is a stranger until the password was checked, so on that way texts are only mapped (`map_login`,
`map_password`): microseconds, where PRECIS takes milliseconds to look at each character by itself, in Python.
Nothing is let in by it. Whether a text is allowed follows from its mapped form alone, and a login or password
that is stored was prepared: what is mapped to that is allowed, and what is not allowed is mapped to nobody's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache

import idna
from msgspec import Struct
from precis_i18n import get_profile

from sams.core.address import domain_key
from sams.protocol.sasl.interface import MAX_PASSWORD_OCTETS

MAX_LOGIN_OCTETS = 254
"""Of a prepared login: as long as an address may be."""

_LOGINS = get_profile("UsernameCaseMapped")
_PASSWORDS = get_profile("OpaqueString")
PASSWORD_TOO_LONG = f"a password has at most {MAX_PASSWORD_OCTETS} octets"
_TOO_LONG = f"a login has at most {MAX_LOGIN_OCTETS} octets"
_NO_LOGIN = "a login is not empty and has no spaces, control or compatibility characters"
_WIDTHS = {code: _LOGINS.width_mapping_rule(chr(code)) for code in range(0xFF01, 0xFFF0)}
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_REMEMBERED = 4_096
"""Logins of which all forms are kept: a mail program signs in again and again."""
_TOO_MANY_MARKS = re.compile(rb"[^\0]{31}")
"""By combining class: more marks on one character than a stream-safe text has (UAX 15). To sort them is quadratic."""


class UnpreparableError(ValueError):
    """The text is no login or no password by RFC 8265. The message says why, and never what it was."""


def prepare_login(text: str) -> str:
    """The form in which logins are stored and compared (RFC 8265 section 3.3, UsernameCaseMapped).

    Raises:
        UnpreparableError: it is empty, too long, or has a character that no login may have.
    """
    if text.isascii() or len(text) > MAX_LOGIN_OCTETS:
        return map_login(text)
    _check_marks(text)
    try:
        prepared = str(_LOGINS.enforce(text))
    except UnicodeError:
        raise UnpreparableError(_NO_LOGIN) from None
    if len(prepared.encode()) > MAX_LOGIN_OCTETS:
        raise UnpreparableError(_TOO_LONG)
    return prepared


def map_login(text: str) -> str:
    """The form in which a login is looked up: what `prepare_login` makes of it, where that makes anything.

    The mappings of the profile without its look at each character. What may be in no login is left in: no
    account has such a login.

    Raises:
        UnpreparableError: it is empty or too long, ASCII with a space or a control character, or full of marks.
    """
    if len(text) > MAX_LOGIN_OCTETS:
        raise UnpreparableError(_TOO_LONG)
    if text.isascii():
        if not text or " " in text or not text.isprintable():
            raise UnpreparableError(_NO_LOGIN)
        return text.lower()
    _check_marks(text)
    mapped = unicodedata.normalize("NFC", text.translate(_WIDTHS).lower())
    if len(mapped.encode("utf-8", "surrogatepass")) > MAX_LOGIN_OCTETS:
        raise UnpreparableError(_TOO_LONG)
    return mapped


def prepare_password(text: str) -> str:
    """The form in which passwords are hashed (RFC 8265 section 4.2, OpaqueString).

    Raises:
        UnpreparableError: it is empty, longer than `MAX_PASSWORD_OCTETS`, or has a control character.
    """
    if text.isascii() and text.isprintable() and 0 < len(text) <= MAX_PASSWORD_OCTETS:
        return text
    if not text:
        raise UnpreparableError("the password is empty")
    if is_too_long(text):
        raise UnpreparableError(PASSWORD_TOO_LONG)
    try:
        return str(_PASSWORDS.enforce(text))
    except UnicodeError:
        raise UnpreparableError(
            "the password has a control character or an invisible one: use letters, digits, signs and spaces"
        ) from None


def is_disguised(login: str) -> bool:
    """Whether a login has letters in another width, or others that are mapped to ASCII (the Kelvin sign).

    Whoever types them means the plain ones. To a directory that knows no RFC 8265 they are another name.
    """
    return any(
        _WIDTHS.get(ord(one), one) != one or one.lower().isascii() for one in login if not one.isascii()
    )


def map_password(text: str) -> str:
    """The form in which a password is compared: what `prepare_password` makes of it, where that makes anything."""
    return text if text.isascii() else unicodedata.normalize("NFC", _SPACES.sub(" ", text))


def is_too_long(password: str) -> bool:
    """Whether a password is refused before anything else is done with it (docs/security.md rule 7)."""
    if password.isascii():
        return len(password) > MAX_PASSWORD_OCTETS
    return len(password.encode("utf-8", "replace")) > MAX_PASSWORD_OCTETS


def _check_marks(text: str) -> None:
    """Refuse what would take long to bring in order.

    Raises:
        UnpreparableError: it has too many marks on one character.
    """
    if _TOO_MANY_MARKS.search(bytes(map(unicodedata.combining, text))):
        raise UnpreparableError(_NO_LOGIN)


class Login(Struct, frozen=True, gc=False):
    r"""A login as it was typed and mapped, in the forms in which sources know members.

    typed: mapped, as it came, but for a `DOMAIN\` before it: `alice`, `alice@example.ac.uk`, `alice/phone`.
    bare: without a device, and without a domain of the accounts; the same for every spelling of one member.
    domain: what stands behind the `@`; the accounts' first where there is none.
    device: the name of an app password, behind a slash (`alice/phone`, `alice/phone@example.ac.uk`); empty: none.
    """

    typed: str
    bare: str
    domain: str
    device: str = ""

    @property
    def user(self) -> str:
        """What directories are asked for that know members by a name alone.

        A login in a foreign domain stays whole: `alice@elsewhere.example` must not be taken for alice.
        """
        return self.bare

    @property
    def address(self) -> str:
        """The login as an e-mail address."""
        return self.bare if "@" in self.bare else f"{self.bare}@{self.domain}"


class LoginForms:
    """Knows which domains may stand behind a login without changing who it is, and in which forms logins are typed.

    domains: `[accounts] domains`; the first one is meant where none is typed.
    windows_domains: names that may stand before a login with a backslash; the first label of each domain as well.
    read: a login as it was typed, in all its forms; raises what `map_login` does.
    """

    __slots__ = ("_a_labels", "_default", "_domains", "_in_order", "_windows", "read")

    read: Callable[[str], Login]

    def __init__(self, domains: Iterable[str], windows_domains: Iterable[str] = ()) -> None:
        keys = tuple(domain_key(domain) for domain in domains)
        self._in_order = keys
        self._domains = frozenset(keys)
        self._default = keys[0] if keys else ""
        self._windows = frozenset(name.lower() for name in windows_domains) | {
            key.partition(".")[0] for key in keys
        }
        self._a_labels = {u_label: a_label for one in self._domains for u_label, a_label in _u_labels(one)}
        self.read = lru_cache(_REMEMBERED)(lambda typed: self.parse(map_login(typed)))

    @property
    def default(self) -> str:
        """The domain of logins without one."""
        return self._default

    @property
    def domains(self) -> tuple[str, ...]:
        """Those of the accounts, in their order."""
        return self._in_order

    def parse(self, mapped: str) -> Login:
        """A mapped login (`map_login`) in all its forms."""
        if "/" in mapped or "\\" in mapped:
            return self._parse(mapped)
        user, _, domain = mapped.rpartition("@")
        if not user:
            return Login(mapped, mapped, self._default)
        bare = user if domain in self._domains or self._is_ours(domain) else mapped
        return Login(mapped, bare, domain or self._default)

    def _parse(self, mapped: str) -> Login:
        """With what few logins have: a Windows domain, a device."""
        prefix, backslash, rest = mapped.partition("\\")
        typed = rest if backslash and rest and prefix in self._windows else mapped
        before, device, at, domain = _parts(typed)
        bare = self.bare(f"{before}{at}{domain}")
        return Login(typed, bare, domain or self._default, device)

    def served(self, login: Login, serves: Callable[[Login], bool]) -> Login:
        """The login, in a domain in which a source serves it where the login itself has none; else as it is."""
        if "@" in login.bare or serves(login):
            return login
        ways = (self.parse(f"{login.bare}@{domain}") for domain in self.domains)
        return next((way for way in ways if serves(way)), login)

    def bare(self, login: str) -> str:
        """The mapped login without an accounts' domain; unchanged where it has another one or none."""
        name, at, domain = login.rpartition("@")
        return name if at and name and (domain in self._domains or self._is_ours(domain)) else login

    def _is_ours(self, domain: str) -> bool:
        """By comparing labels: IDNA of any domain that somebody sends would be for anybody to ask for."""
        if domain.isascii():
            return False
        a_labels = [self._a_labels.get(label, label) for label in domain.split(".")]
        return ".".join(a_labels) in self._domains


def user_of(login: str) -> str:
    """What of a mapped login stands before the `@`, without a device."""
    return _parts(login)[0]


def _parts(login: str) -> tuple[str, str, str, str]:
    """What stands before the `@` without a device, the device, the `@` where there is one, and what is behind it."""
    local, at, domain = login.rpartition("@")
    if not at or not local:
        local, at, domain = login, "", ""
    before, slash, device = local.partition("/")
    return (before, device, at, domain) if slash and before and device else (local, "", at, domain)


def _u_labels(domain: str) -> Iterator[tuple[str, str]]:
    """The labels of a domain that have another form, as people write them and as the domain's key has them."""
    for label in domain.split("."):
        with suppress(idna.IDNAError):
            if label.startswith("xn--"):
                yield idna.ulabel(label), label
