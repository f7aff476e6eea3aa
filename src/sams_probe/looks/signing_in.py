"""The sign-in: once, over a connection that was verified as mail programs do, and not before an interceptor."""

from __future__ import annotations

import ssl

from sams_probe.certificates.der import BadDer
from sams_probe.certificates.products import product_of
from sams_probe.certificates.reading import read_certificate
from sams_probe.looks.connection import Target, look
from sams_probe.looks.findings import Handshake
from sams_probe.smtp.dialogue import Dialogue, Hello
from sams_probe.smtp.replies import NotAReply
from sams_probe.smtp.sign_in import SignedIn, SignIn, sign_in
from sams_probe.wire.line import Broken


def sign_in_at(target: Target, strict: ssl.SSLContext, login: str, password: str) -> SignIn:
    """What came of it. BROKEN: it did not come to it, or the connection ended within it.

    Raises:
        ValueError: the context does not verify chain and name: a password is never sent so.
    """
    if strict.verify_mode is not ssl.CERT_REQUIRED or not strict.check_hostname:
        raise ValueError("a password goes into verified TLS only")
    results: list[SignIn] = []

    def then(talk: Dialogue, hello: Hello, shaken: Handshake) -> None:
        if _is_intercepted(shaken.leaf):
            results.append(
                SignIn(SignedIn.BROKEN, words="something reads along in TLS; no password was sent")
            )
            return
        try:
            results.append(sign_in(talk, hello.mechanisms, login, password))
        except (Broken, NotAReply) as error:
            words = error.ending.value if isinstance(error, Broken) else "no SMTP reply"
            results.append(SignIn(SignedIn.BROKEN, words=words))

    found = look(target, strict, then=then)
    why = (
        "something came behind the answer to STARTTLS; no password was sent" if found.behind else found.detail
    )
    return results[0] if results else SignIn(SignedIn.BROKEN, words=why)


def _is_intercepted(leaf: bytes) -> bool:
    try:
        return product_of(read_certificate(leaf).issuer) is not None
    except BadDer:
        return True
