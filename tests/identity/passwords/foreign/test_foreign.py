from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher, Type
from hypothesis import given, settings
from hypothesis import strategies as st

from sams.identity.passwords.foreign.interface import ForeignHash, PlainPassword, UnusableHashError
from sams.identity.passwords.foreign.libcrypt import LibCrypt
from sams.identity.passwords.foreign.md5_crypt import md5_crypt
from sams.identity.passwords.foreign.reader import ForeignHashes
from sams.identity.passwords.hashes import HashCost, Hashes

CHEAP = HashCost(memory=8, passes=1, scram_iterations=16)
WORD = "correct horse é"
READER = ForeignHashes()


def _digest(method: str, octets: bytes) -> bytes:
    return hashlib.new(method, octets).digest()


def _b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _ab64(octets: bytes) -> str:
    return _b64(octets).rstrip("=").replace("+", ".")


_OCTETS = WORD.encode()
_SALT = b"\x01\xfesalt"
_CRYPTS = (
    "$2b$04$abcdefghijklmnopqrstuub.ZjCeFtaHcVNO3csJiht1Oa5O89F5e",
    "$2y$05$abcdefghijklmnopqrstuuNKTrdYIyJepeBe0WMJS4ZyMwX4aEJLK",
    "$2a$04$abcdefghijklmnopqrstuub.ZjCeFtaHcVNO3csJiht1Oa5O89F5e",
    "$5$saltstring$aXLr59fnwrVg6Wz/o5uKtjZU0xGSbMc6YxPqiHv2NE.",
    "$5$rounds=1400$anotherlongsalts$NgE/g7QKe2.Fr.7e5BHKFAaQKFplgTacxVPZfViUpT0",
    "$6$saltstring$Vy1qkR4howG25g0MrA26uBcI9k9c5cxzfoR6VfYPEDH6Qz8CJGsLsSf6i7jmz6/3LKpWlmhxHaJqvorDx2KhI.",
    "$6$rounds=5000$x$6rcjzm.q.fgRO3K2K3OoCn2lEVzh6tgKz5sTeGyicob.f0A97Xt41U15bM0qVvmyAUYUaVApCQ9ZTFrPdN6A7/",
    "$y$j75$saltysalt0$SXeFTFogJouR.7wXr1R6FapuFuVOOai4KQKx2ONy/b8",
    "$y$j9T$saltysalt0$JVnByYLR4iHABF9/CCQdqAZX3/SfkfxOUyLK2aOA1h3",
    "$1$abcdefgh$NQEZhnK0LUFSk6OyfWhq//",
    "$apr1$abcdefgh$W0e/OLhEAJIyZwM7u6lED0",
)
"""Made by libxcrypt and OpenSSL."""


def _others() -> Iterator[str]:
    for name, method in (("SHA", "sha1"), ("SHA256", "sha256"), ("SHA512", "sha512"), ("LDAP-MD5", "md5")):
        digest = hashlib.new(method, _OCTETS).digest()
        yield f"{{{name}}}{_b64(digest)}"
        yield f"{{{name}.HEX}}{digest.hex().upper()}"
        yield f"{{{name.lower()}.b64}}{_b64(digest)}"
        salted = hashlib.new(method, _OCTETS + _SALT).digest() + _SALT
        yield f"{{S{name.removeprefix('LDAP-')}}}{_b64(salted)}"
    yield "{PLAIN-MD5}" + _digest("md5", _OCTETS).hex()
    yield "{PBKDF2}$1$salt.text$500$" + hashlib.pbkdf2_hmac("sha1", _OCTETS, b"salt.text", 500).hex()
    for name in ("sha1", "sha256", "sha512"):
        derived = hashlib.pbkdf2_hmac(name, _OCTETS, _SALT, 700)
        yield f"{{PBKDF2-{name.upper()}}}700${_ab64(_SALT)}${_ab64(derived)}"
        head = "" if name == "sha1" else f"-{name}"
        yield f"$pbkdf2{head}$700${_ab64(_SALT)}${_ab64(derived)}"
    yield "{PBKDF2}700$" + f"{_ab64(_SALT)}${_ab64(hashlib.pbkdf2_hmac('sha1', _OCTETS, _SALT, 700))}"
    yield "pbkdf2_sha256$900$saltText$" + _b64(hashlib.pbkdf2_hmac("sha256", _OCTETS, b"saltText", 900))


def _in_schemes() -> Iterator[str]:
    for text in _CRYPTS[:-1]:
        yield "{CRYPT}" + text
    yield "{BLF-CRYPT}" + _CRYPTS[1]
    yield "{SHA256-CRYPT}" + _CRYPTS[3]
    yield "{sha512-crypt}" + _CRYPTS[5]
    yield "{MD5-CRYPT}" + _CRYPTS[9]
    yield "{MD5}" + _CRYPTS[9]


@pytest.mark.parametrize("text", [*_CRYPTS, *_others(), *_in_schemes()])
def test_a_hash_of_another_system_lets_its_password_in_and_no_other(text: str) -> None:
    hashes = Hashes(CHEAP)
    stored = hashes.imported(text)
    assert isinstance(stored, str)
    right = hashes.compare(stored, WORD)
    assert right.is_right
    assert right.upgrade is not None
    assert hashes.compare(right.upgrade, WORD).is_right
    for wrong in ("", "correct horse e", WORD + " ", WORD + "\0", WORD + "\0x"):
        assert not hashes.compare(stored, wrong).is_right
    assert hashes.imported(stored) == stored


@pytest.mark.parametrize("kind", [Type.ID, Type.I, Type.D])
@pytest.mark.parametrize("scheme", ["", "{ARGON2ID}", "{ARGON2I}", "{CRYPT}", "{ARGON2}"])
def test_argon2_of_another_cost_is_taken_as_it_is(scheme: str, kind: Type) -> None:
    made = PasswordHasher(time_cost=3, memory_cost=64, parallelism=2, type=kind).hash(WORD)
    hashes = Hashes(CHEAP)
    stored = hashes.imported(scheme + made)
    assert stored == made
    compared = hashes.compare(made, WORD)
    assert compared.is_right
    assert compared.upgrade is not None
    assert not hashes.compare(made, "wrong").is_right


@pytest.mark.parametrize("scheme", ["{PLAIN}", "{plain}", "{CLEAR}", "{CLEARTEXT}"])
def test_a_password_in_clear_is_told_as_such_and_never_shown(scheme: str) -> None:
    found = READER.read(scheme + "my {SSHA} $6$ word")
    assert found == PlainPassword("my {SSHA} $6$ word")
    assert "my" not in repr(found)


@pytest.mark.parametrize("cost", ["15", "31", "99", "03", "00"])
def test_bcrypt_that_costs_too_much_or_cannot_be_is_refused(cost: str) -> None:
    with pytest.raises(UnusableHashError, match=r"cost of .*sams account add"):
        READER.read(f"$2y${cost}$abcdefghijklmnopqrstuuNKTrdYIyJepeBe0WMJS4ZyMwX4aEJLK")


_ARGON2 = "$argon2id$v=19$m={},t={},p={}$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$6$rounds=999999999$salt$" + 86 * "a", "rounds of 999999999"),
        ("$5$rounds=1000001$salt$" + 43 * "a", "rounds of 1000001"),
        ("$5$rounds=999$salt$" + 43 * "a", "rounds of 999"),
        ("$y$jFT$salt$" + 43 * "a", "octets of memory"),
        ("$y$jzz$salt$" + 43 * "a", "cut off or damaged"),
        ("$y$jzzzzzz$salt$" + 43 * "a", "yescrypt"),
        ("$y$j9T5/$salt$" + 43 * "a", "crypt_gensalt"),
        (_ARGON2.format(4_194_304, 1, 1), "memory"),
        (_ARGON2.format(262_144, 5, 1), "memory times passes"),
        (_ARGON2.format(65_536, 3, 64), "lanes"),
        (_ARGON2.format(999_999_999, 999_999_999, 1), "memory"),
        (_ARGON2.format(65_536, 0, 1), "passes"),
        ("{PBKDF2}$1$salt$999999999$" + 40 * "a", "rounds of 999999999"),
        ("pbkdf2_sha256$0$salt$" + _b64(bytes(32)), "rounds of 0"),
        ("{SCRAM-SHA-256}999999999,c2FsdA==," + _b64(bytes(32)) + "," + _b64(bytes(32)), "rounds"),
        ("{SSHA}" + _b64(bytes(20)), "damaged"),
        ("{SHA}" + _b64(bytes(21)), "damaged"),
        ("{SHA}!!!", "damaged"),
        ("{SSHA}" + _b64(bytes(200)), "damaged"),
        ("$6$salt$tooshort", "damaged"),
        ("$2y$10$short", "damaged"),
        ("$apr1$abcdefghi$" + 22 * "a", "damaged"),
        ("$argon2id$nonsense", "damaged"),
        ("pbkdf2_md5$1$a$a", "damaged"),
        ("$pbkdf2-sha3$1$a$a", "damaged"),
        ("abJnggxhB/yWI", "DES"),
        ("{DES-CRYPT}abJnggxhB/yWI", "DES-CRYPT} is not taken"),
        ("{CRYPT}abJnggxhB/yWI", "DES"),
        ("{CRAM-MD5}" + 64 * "0", "CRAM-MD5} is not taken"),
        ("{NTLM}" + 32 * "0", "NTLM} is not taken"),
        ("!", "locked"),
        ("", "locked"),
        ("*", "locked"),
        ("!$6$salt$" + 86 * "a", "locked"),
        ("x", "another file"),
        ("$7$CU..../....k2XA", "no form that is known"),
        ("{SSHA", "no form that is known"),
        ("x" * 5_000, "more than"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_with_words_that_do_not_show_it(text: str, words: str) -> None:
    with pytest.raises(UnusableHashError, match=words) as caught:
        READER.read(text)
    assert len(text) < 2 or text not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["hunter2-of-mine", "{hunter2-of-mine}", "{hunter2}of-mine", "$hunter2-of-mine"]
)
def test_a_password_in_clear_without_a_scheme_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(UnusableHashError, match="PLAIN") as caught:
        READER.read(secret)
    assert "hunter2" not in str(caught.value).lower()


def test_scram_keys_verify_the_password_they_were_made_of() -> None:
    """RFC 7677 section 3: user, pencil. The stored key follows from its salt and rounds."""
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    client = hashlib.new("sha256", hmac.digest(salted, b"Client Key", "sha256")).digest()
    found = READER.read(f"{{SCRAM-SHA-256}}4096,W22ZaJ0SNY7soEsUEjb6gQ==,{_b64(client)},{_b64(bytes(32))}")
    assert isinstance(found, ForeignHash)
    assert found.matches(b"pencil")
    assert not found.matches(b"pencils")


def test_a_password_longer_than_bcrypt_looks_at_still_gets_in_and_keeps_its_hash() -> None:
    """Another program of the same member may have saved another end, which never mattered."""
    hashes = Hashes(CHEAP)
    library = LibCrypt()
    stored = library.crypt(b"x" * 72, b"$2b$04$abcdefghijklmnopqrstuu")
    assert stored is not None
    for typed in ("x" * 72 + "end", "x" * 72 + "another", "x" * 1_000):
        compared = hashes.compare(stored.decode(), typed)
        assert compared.is_right
        assert compared.upgrade is None
    whole = hashes.compare(stored.decode(), "x" * 72)
    assert whole.upgrade is not None
    assert not hashes.compare(stored.decode(), "x" * 71).is_right


def test_a_password_longer_than_libcrypt_takes_is_wrong_and_no_damage() -> None:
    assert not Hashes(CHEAP).compare(_CRYPTS[5], "x" * 600).is_right


def test_a_password_is_right_as_it_was_typed_there_and_then_as_it_is_mapped_here() -> None:
    hashes = Hashes(CHEAP)
    decomposed = "Blaue\u00a0Pferde e\u0301"
    stored = "{SHA}" + _b64(_digest("sha1", decomposed.encode()))
    compared = hashes.compare(stored, decomposed)
    assert compared.is_right
    assert compared.upgrade is not None
    assert hashes.compare(compared.upgrade, "Blaue Pferde é").is_right
    mapped = "{SHA}" + _b64(_digest("sha1", "Blaue Pferde é".encode()))
    assert hashes.compare(mapped, decomposed).is_right


def test_where_libcrypt_is_missing_the_import_says_so_and_a_stored_hash_is_no_wrong_password() -> None:
    none = ForeignHashes(LibCrypt(["libnothing-there.so.9"]))
    for text in _CRYPTS[:9]:
        with pytest.raises(UnusableHashError, match="install libxcrypt"):
            none.read(text)
        with pytest.raises(ValueError, match="libxcrypt"):
            Hashes(CHEAP, none).compare(text, WORD)
    assert isinstance(none.read(_CRYPTS[10]), ForeignHash)


def test_a_foreign_hash_costs_what_an_unknown_login_costs_besides_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the password was right or wrong: one hash of ours is made or compared."""
    computed: list[str] = []

    class Watched(Hashes):
        def make(self, password: str) -> str:
            computed.append("made")
            return super().make(password)

        def _matches(self, stored: str, password: str) -> bool:
            computed.append("compared")
            return super()._matches(stored, password)

    hashes = Watched(CHEAP)
    for stored, typed, expected in (
        (None, WORD, ["compared"]),
        (_CRYPTS[0], "wrong", ["compared"]),
        (_CRYPTS[0], WORD, ["made"]),
        ("{SHA}" + _b64(_digest("sha1", _OCTETS)), "wrong", ["compared"]),
    ):
        computed.clear()
        hashes.compare(stored, typed)
        assert computed == expected


def test_nothing_of_a_hash_is_in_its_text_form() -> None:
    found = READER.read(_CRYPTS[0])
    assert "abcdefgh" not in repr(found)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for begin in (
        "",
        "{SSHA}",
        "$6$",
        "$y$j",
        "$2b$",
        "{PBKDF2}",
        "$argon2id$v=19$",
        "{SCRAM-SHA-1}",
        "{SHA.HEX}",
    ):
        try:
            READER.read(begin + text)
        except UnusableHashError as error:
            assert str(error)  # noqa: PT017 - both ends are good


@given(st.binary(max_size=80), st.binary(min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_md5_crypt_is_that_of_libcrypt(password: bytes, salt: bytes) -> None:
    clean, word = password.replace(b"\0", b"x"), bytes(b"./0Aa"[octet % 5] for octet in salt)
    made = LibCrypt().crypt(clean, b"$1$" + word + b"$")
    assert made == b"$1$" + word + b"$" + md5_crypt(clean, b"$1$", word)


def missing(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing: make system")


def _hashes_of(*command: str, text: str = "") -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.real
@missing("htpasswd")
@pytest.mark.parametrize("option", ["-B", "-m", "-s", "-2", "-5"])
def test_every_form_that_htpasswd_writes_is_taken(option: str, tmp_path: Path) -> None:
    line = _hashes_of("htpasswd", "-n", "-i", option, "alice", text=WORD)
    hashes = Hashes(CHEAP)
    stored = hashes.imported(line.partition(":")[2])
    assert isinstance(stored, str)
    assert hashes.compare(stored, WORD).is_right


@pytest.mark.real
@missing("doveadm")
@pytest.mark.parametrize(
    "scheme",
    [
        "ARGON2I", "ARGON2ID", "BLF-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "MD5-CRYPT", "MD5", "SMD5", "SHA",
        "SHA1", "SHA256", "SHA512", "SSHA", "SSHA256", "SSHA512", "PBKDF2", "PLAIN-MD5", "LDAP-MD5", "CRYPT",
        "SSHA512.HEX", "SHA256.B64", "SCRAM-SHA-1", "SCRAM-SHA-256",
    ],
)  # fmt: skip
def test_every_form_that_dovecot_writes_is_taken(scheme: str) -> None:
    line = _hashes_of("doveadm", "-O", "pw", "-s", scheme, "-p", WORD)
    hashes = Hashes(CHEAP)
    stored = hashes.imported(line)
    assert isinstance(stored, str)
    assert hashes.compare(stored, WORD).is_right
    assert not hashes.compare(stored, "correct horse e").is_right
