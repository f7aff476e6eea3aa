"""Apple's profiles: by Apple's types of keys, signed so that OpenSSL verifies them."""

from __future__ import annotations

import plistlib
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from sams.config.offered import MailServer
from sams.config.web import UserName
from sams.core.address import Mailbox, parse_mailbox
from sams.web.setup_files.asked import Refused
from sams.web.setup_files.mobileconfig import mobileconfig
from sams.web.site import Brand, Certificate
from tests.support.certificates import Authority, rsa_pair
from tests.web.setup_files.apple_types import MAIL, TOP, check_keys
from tests.web.setup_files.sites import IMAP, POP3, SUBMISSION, site

ALICE = parse_mailbox("alice@example.ac.uk")


def payloads(octets: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The profile, and the account in it."""
    profile = plistlib.loads(octets)
    (account,) = profile["PayloadContent"]
    return profile, account


@pytest.mark.parametrize("incoming", [IMAP, POP3])
@pytest.mark.parametrize("mailbox", [ALICE, None])
@pytest.mark.parametrize("user_name", ["address", "local-part", "login"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_key_is_apples_and_of_its_type(
    incoming: MailServer, mailbox: Mailbox | None, user_name: UserName, language: str
) -> None:
    fields = {
        "incoming": (msgspec.structs.replace(incoming, user_name=user_name),),
        "outgoing": (msgspec.structs.replace(SUBMISSION, user_name=user_name),),
    }
    profile, account = payloads(mobileconfig(site(**fields), mailbox, "Alice", language).octets)
    check_keys(profile, TOP)
    check_keys(account, MAIL)


def test_both_servers_stand_in_it_with_the_user_name_and_no_password() -> None:
    _, account = payloads(mobileconfig(site(), ALICE, "Alice Liddell").octets)
    assert account["EmailAccountType"] == "EmailTypeIMAP"
    assert account["EmailAddress"] == "alice@example.ac.uk"
    assert account["EmailAccountName"] == "Alice Liddell"
    assert account["IncomingMailServerHostName"] == "imap.example.ac.uk"
    assert account["IncomingMailServerPortNumber"] == 993
    assert account["OutgoingMailServerHostName"] == "smtp-auth.example.ac.uk"
    assert account["OutgoingMailServerPortNumber"] == 465
    assert account["OutgoingMailServerUsername"] == "alice@example.ac.uk"
    assert not [key for key in account if "Password" in key and isinstance(account[key], str)]


@pytest.mark.parametrize(
    ("user_name", "typed"), [("address", "alice@example.ac.uk"), ("local-part", "alice"), ("login", None)]
)
def test_the_system_asks_for_a_user_name_that_does_not_follow_from_the_address(
    user_name: UserName, typed: str | None
) -> None:
    outgoing = msgspec.structs.replace(SUBMISSION, user_name=user_name)
    _, account = payloads(mobileconfig(site(outgoing=(outgoing,)), ALICE).octets)
    assert account.get("OutgoingMailServerUsername") == typed
    assert account["OutgoingPasswordSameAsIncomingPassword"] == (user_name == "address")


def test_without_an_address_the_system_asks_for_it() -> None:
    _, account = payloads(mobileconfig(site(), None).octets)
    assert not {
        "EmailAddress",
        "EmailAccountName",
        "OutgoingMailServerUsername",
        "IncomingMailServerUsername",
    } & {*account}


def identities(octets: bytes) -> set[str]:
    return {payload[key] for payload in payloads(octets) for key in ("PayloadIdentifier", "PayloadUUID")}


def test_a_second_profile_for_an_address_takes_the_place_of_the_first_and_of_no_other() -> None:
    first = identities(mobileconfig(site(), ALICE).octets)
    assert len(first) == 4
    again = mobileconfig(site(outgoing=(SUBMISSION,)), parse_mailbox("Alice@EXAMPLE.ac.uk"), "Alice", "de")
    assert identities(again.octets) == first
    assert not identities(mobileconfig(site(), parse_mailbox("bob@example.ac.uk")).octets) & first
    assert not identities(mobileconfig(site(server_name="other.example.ac.uk"), ALICE).octets) & first


def test_without_an_incoming_server_there_is_none_and_the_reason_is_said() -> None:
    with pytest.raises(Refused, match="only with an incoming mail server") as caught:
        mobileconfig(site(incoming=()), ALICE)
    assert caught.value.status == 404


def test_what_is_in_a_name_stays_text() -> None:
    name = 'Alice </string><key>PayloadRemovalDisallowed</key><true/> & "Co"'
    profile, account = payloads(mobileconfig(site(brand=Brand("{name} {x}", "{0}")), ALICE, name).octets)
    assert account["EmailAccountName"] == name
    assert profile["PayloadOrganization"] == "{name} {x}"
    assert profile["PayloadRemovalDisallowed"] is False


def verified(octets: bytes, authority: bytes, folder: Path) -> bytes:
    """What OpenSSL finds inside, when signature and chain are sound."""
    (folder / "signed").write_bytes(octets)
    (folder / "ca.pem").write_bytes(authority)
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-CAfile", "ca.pem"]
    done = subprocess.run(
        [*command, "-purpose", "any"], cwd=folder, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_an_ec_certificate_signs_and_its_chain_goes_with_it(tmp_path: Path) -> None:
    root = Authority.make()
    middle = root.ca.create_child_ca()
    leaf = middle.issue_cert("smtp-auth.example.ac.uk")
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    assert chain.count(b"BEGIN CERTIFICATE") == 2
    certificate = Certificate(chain, leaf.private_key_pem.bytes())
    plain = mobileconfig(site(), ALICE).octets
    octets = mobileconfig(site(certificates=(certificate,)), ALICE).octets
    assert verified(octets, root.ca.cert_pem.bytes(), tmp_path) == plain


def test_an_rsa_certificate_signs(tmp_path: Path) -> None:
    pair = rsa_pair("smtp-auth.example.ac.uk")
    octets = mobileconfig(site(certificates=(Certificate(pair.chain, pair.key),)), ALICE).octets
    assert verified(octets, pair.chain, tmp_path) == mobileconfig(site(), ALICE).octets


def test_a_changed_profile_is_not_verified(tmp_path: Path) -> None:
    pair = rsa_pair("smtp-auth.example.ac.uk")
    octets = mobileconfig(site(certificates=(Certificate(pair.chain, pair.key),)), ALICE).octets
    assert octets.count(b"alice@example.ac.uk") == 3
    with pytest.raises(AssertionError, match=r"(?i)digest|verification failure"):
        verified(octets.replace(b"alice@example.ac.uk", b"mally@example.ac.uk"), pair.chain, tmp_path)


def test_a_kind_of_key_that_cannot_sign_is_passed_over(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    unfit = Certificate(b"", key)
    pair = rsa_pair("smtp-auth.example.ac.uk")
    plain = mobileconfig(site(), ALICE).octets
    assert mobileconfig(site(certificates=(unfit,)), ALICE).octets == plain
    octets = mobileconfig(site(certificates=(unfit, Certificate(pair.chain, pair.key))), ALICE).octets
    assert verified(octets, pair.chain, tmp_path) == plain


def test_whoever_asks_in_a_domain_gets_the_same_but_for_name_and_identity() -> None:
    _, alice = payloads(mobileconfig(site(), ALICE).octets)
    _, nobody = payloads(mobileconfig(site(), parse_mailbox("nobody-here@example.ac.uk")).octets)
    different = {key for key in alice if alice[key] != nobody[key]}
    assert alice.keys() == nobody.keys()
    assert different == {
        "EmailAddress",
        "IncomingMailServerUsername",
        "OutgoingMailServerUsername",
        "PayloadIdentifier",
        "PayloadUUID",
    }
