"""What of a refused line may be told: words that explain a refusal, and nothing that could be a secret.

A program that was refused AUTH may go on as if it had not been: then its user name and password come as lines of
their own, in base64, and each looks like an unknown command. Something on the way may have made `XXXX` of the AUTH
before. So a word is told only before TLS, where no sign-in is taken, until anything was said that a secret may
follow; and only one that looks like a command: base64 of some length has digits or signs in it nearly always. A mask
is told at any time.
"""

from __future__ import annotations

import re

MAX_QUOTED = 40
_WORD = re.compile(rb"[A-Z][A-Z_-]{0,39}")
_OF_STRANGER = re.compile(rb"[!-~]{1,40}")
_MASK = re.compile(rb"[X*#]{1,40}")
"""What something on the way writes over commands that it does not know."""
_MECHANISMS = re.compile(
    r"(?:PLAIN|LOGIN|ANONYMOUS|EXTERNAL|CRAM-MD5|DIGEST-MD5|NTLM|MSN|GSSAPI|GSS-SPNEGO|GS2-[A-Z0-9-]+|KERBEROS_V[45]|SKEY"
    r"|OTP|SECURID|SRP|NMAS[_-][A-Z0-9_-]+|PASSDSS-3DES-1|SAML20(?:EC)?|OPENID20|EAP-AES128(?:-PLUS)?|XOAUTH2?|OAUTHBEARER"
    r"|OAUTH10A|SCRAM-[A-Z0-9-]+|ECDH-[A-Z0-9-]+|ECDSA-[A-Z0-9-]+|9798-[A-Z0-9-]+|X-[A-Z0-9-]+)"
)
"""IANA's registry of SASL mechanisms, and what programs use besides."""


def quoted(word: bytes, *, may_follow_auth: bool) -> str:
    """An unknown command, in upper case, as it may be told; empty where it does not look like one."""
    match = _MASK.fullmatch(word) or (None if may_follow_auth else _WORD.fullmatch(word))
    return match[0].decode("ascii") if match is not None else ""


def quoted_stranger(word: bytes) -> str:
    """What a browser or an SSH client began with; it is known to be one."""
    match = _OF_STRANGER.match(word)
    return match[0].decode("ascii") if match is not None else ""


def quoted_mechanism(name: str) -> str:
    """A mechanism, in upper case; empty where there is none of that name."""
    return name if _MECHANISMS.fullmatch(name) else ""


def announces_secret(word: bytes, argument: bytes) -> bool:
    """Whether an unknown command, in upper case, may be AUTH or its like: what follows could be its responses."""
    first = argument.partition(b" ")[0].upper()
    return (
        word.startswith((b"AUTH", b"LOGIN", b"USER", b"PASS"))
        or first.startswith(b"AUTH")
        or _MASK.fullmatch(first) is not None
        or _MECHANISMS.fullmatch(first.decode("ascii", "replace")) is not None
    )
