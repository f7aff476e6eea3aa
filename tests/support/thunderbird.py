"""A real Thunderbird without a screen, in a profile of its own, that reaches nothing but loopback.

HTTP of every kind goes to the test's relay, which knows a few names; every other name resolves to 127.0.0.1; what is
looked up in DNS itself (MX, SRV) is not there. It is driven by Marionette, and set up as a person does it: in its own
window for new accounts, by what is written and pressed there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import Authority
from tests.support.marionette import Marionette, MarionetteError

PROGRAM = shutil.which("thunderbird")
MISSING = "Thunderbird is missing: apt install thunderbird, or make system"
PATIENCE = 60.0

_PREFERENCES = {
    "marionette.port": 0,
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.no_proxies_on": "",
    "network.proxy.allow_hijacking_localhost": True,
    "network.dns.forceResolve": "127.0.0.1",
    "network.trr.mode": 5,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
    "app.update.auto": False,
    "app.normandy.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.unified": False,
    "browser.safebrowsing.enabled": False,
    "services.settings.server": "data:,",
    "security.OCSP.enabled": 0,
    "security.remote_settings.crlite_filters.enabled": False,
    "extensions.update.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "mail.inappnotifications.enabled": False,
    "mail.spotlight.firstRunDone": True,
    "mail.shell.checkDefaultClient": False,
    "mail.rights.version": 1,
    "mail.provider.suppress_dialog_on_startup": True,
    "mailnews.auto_config_url": "",
    "mailnews.auto_config.addons_url": "",
    "mail.setup.loglevel": "All",
    "mailnews.database.global.indexer.enabled": False,
    "calendar.timezone.useSystemTimezone": True,
}
"""No update, no telemetry, no start page, nothing of Mozilla's own services; set-up tells what it does."""

SHOWN = ("incomingHost", "incomingPort", "incomingUsername", "outgoingHost", "outgoingPort", "outgoingType")
"""What the window for new accounts shows of servers that it has found."""
_HUB = "const view = window.document.querySelector('account-hub-container').modal.querySelector('account-hub-email');"

_MAIL = "const {MailServices} = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');"
_ACCOUNTS = (
    _MAIL
    + """
    return MailServices.accounts.accounts.filter(account => account.defaultIdentity).map(account => {
      const incoming = account.incomingServer;
      const outgoing = MailServices.outgoingServer.getServerByIdentity(account.defaultIdentity);
      return {
        name: account.defaultIdentity.fullName,
        address: account.defaultIdentity.email,
        incoming: [incoming.type, incoming.hostname, incoming.port, incoming.socketType, incoming.username],
        outgoing: [outgoing.type, outgoing.serverURI.host, outgoing.serverURI.port, outgoing.socketType,
          outgoing.username],
      };
    });
    """
)
_COMPOSE = (
    _MAIL
    + """
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    [fields.to, fields.subject, fields.body] = arguments;
    const parameters = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
    parameters.type = Ci.nsIMsgCompType.New;
    parameters.format = Ci.nsIMsgCompFormat.PlainText;
    parameters.identity = MailServices.accounts.defaultAccount.defaultIdentity;
    parameters.composeFields = fields;
    MailServices.compose.OpenComposeWindowWithParams(null, parameters);
    """
)
SSL, STARTTLS = 3, 2
"""nsMsgSocketType."""


@dataclass
class Thunderbird:
    """One Thunderbird. relay: the port of the proxy. authority: trusted, from the start of each session."""

    folder: Path
    relay: int
    authority: Authority
    process: subprocess.Popen[bytes] | None = None
    client: Marionette | None = None
    preferences: dict[str, object] = field(default_factory=dict)

    @property
    def profile(self) -> Path:
        return self.folder / "profile"

    @property
    def log(self) -> str:
        file = self.folder / "log"
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        return "\n".join(line for line in lines if line and "gtk" not in line.lower())

    def start(self) -> None:
        """Start it, and wait until it can be driven."""
        assert PROGRAM
        temporary = (
            self.folder / "temporary"
        )  # of its own: two programs would take each other's files in /tmp
        for folder in (self.profile, temporary):
            folder.mkdir(parents=True)
        proxy = {"network.proxy.http_port": self.relay, "network.proxy.ssl_port": self.relay}
        lines = [
            f"user_pref({_javascript(name)}, {_javascript(value)});\n"
            for name, value in {**_PREFERENCES, **proxy, **self.preferences}.items()
        ]
        (self.profile / "user.js").write_text("".join(lines))
        command = [PROGRAM, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--profile", str(self.profile)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "HOME": str(self.folder), "TMPDIR": str(temporary)},
            )
        self.client = Marionette(self._port(), PATIENCE)
        self.run(
            'const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);'
            'certificates.addCertFromBase64(arguments[0], "CT,,");',
            b64encode(_der(self.authority)).decode(),
        )
        self.run(
            "const {DNS} = ChromeUtils.importESModule('resource:///modules/DNS.sys.mjs');"
            "DNS.lookup = async () => { throw new Error('no DNS in this test'); }"
        )
        self.wait(lambda: self.run("return !!window?.openAccountHub"), "its main window")

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script with all rights; `window` is the main one. Its value."""
        assert self.client is not None
        window = "const window = Services.wm.getMostRecentWindow('mail:3pane');"
        return self.client.run(window + script, *arguments)

    def wait(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Until the condition is true; its value."""
        end, said = time.monotonic() + PATIENCE, ""
        while True:
            try:
                value = condition()
                if value:
                    return value
            except MarionetteError as error:  # what is looked for is not there yet
                said = str(error)
            assert self.process is not None
            assert self.process.poll() is None, f"Thunderbird ended: {self.log}"
            assert time.monotonic() < end, f"Thunderbird: never {what}\n{said}\n{self.log[-4_000:]}"
            time.sleep(0.1)

    def set_up(self, name: str, address: str, password: str) -> dict[str, str]:
        """Set an account up in the window for new ones; what it showed of the servers it had found."""
        self.run("await window.openAccountHub('MAIL')")
        self._fill("email-auto-form", {"realName": name, "email": address})
        self._reach("email-config-found")
        shown = self.run(
            _HUB + "const text = id => view.querySelector(`email-config-found #${id}`).textContent.trim();"
            "return Object.fromEntries(arguments[0].map(id => [id, text(id)]))",
            list(SHOWN),
        )
        self._forward()
        self._reach("email-password-form")
        self._fill("email-password-form", {"password": password})
        self._reach("email-sync-accounts-form", "email-added-success")
        return dict(shown)

    def accounts(self) -> list[dict[str, Any]]:
        """The mail accounts that are stored, as its own account manager tells of them."""
        return list(self.run(_ACCOUNTS))

    def send(self, recipient: str, subject: str, body: str) -> None:
        """Write a message in the window for new ones and press Send; until that window is gone, which is when it is
        sent and stored in the folder of sent ones."""
        self.run(_COMPOSE, recipient, subject, body)
        look = "return Services.wm.getMostRecentWindow('msgcompose')?.document.documentElement.id ?? 'none'"
        ready = "return !!Services.wm.getMostRecentWindow('msgcompose')?.gMsgCompose?.editor?.document"
        self.wait(lambda: self.run(ready), "a window to write in")
        self.run("Services.wm.getMostRecentWindow('msgcompose').goDoCommand('cmd_sendNow')")
        self.wait(lambda: self.run(look) == "none", "the message sent")

    def _fill(self, form: str, fields: dict[str, str]) -> None:
        self.run(
            _HUB + "for (const [id, value] of Object.entries(arguments[1])) {"
            "  const input = view.querySelector(`${arguments[0]} #${id}`);"
            "  input.value = value;"
            "  input.dispatchEvent(new window.Event('input', {bubbles: true}));"
            "}",
            form,
            fields,
        )
        self._forward()

    def _forward(self) -> None:
        press = (
            _HUB + "const button = view.querySelector('account-hub-footer #forward');"
            "if (button.disabled || button.hidden) return false; button.click(); return true"
        )
        self.wait(lambda: self.run(press), "the button to go on")

    def _reach(self, *steps: str) -> None:
        """Until one of these steps is what is shown."""
        look = _HUB + "return arguments[0].some(name => view.querySelector(`${name}:not([hidden])`))"
        shown = (
            _HUB + "return [...view.querySelectorAll('.account-hub-step:not([hidden])')].map(one => one.id)"
        )
        try:
            self.wait(lambda: self.run(look, list(steps)), " or ".join(steps))
        except AssertionError as error:
            raise AssertionError(f"it shows {self.run(shown)} instead; {error}") from None

    def stop(self) -> None:
        if self.client is not None:
            self.client.close()
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(20)

    def _port(self) -> int:
        file = self.profile / "MarionetteActivePort"
        end = time.monotonic() + PATIENCE
        while not (file.exists() and file.read_text().strip()):
            assert self.process is not None
            assert self.process.poll() is None, f"Thunderbird ended: {self.log}"
            assert time.monotonic() < end, f"Thunderbird does not start: {self.log}"
            time.sleep(0.1)
        return int(file.read_text())


def _javascript(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'


def _der(authority: Authority) -> bytes:
    return x509.load_pem_x509_certificate(authority.ca.cert_pem.bytes()).public_bytes(Encoding.DER)
