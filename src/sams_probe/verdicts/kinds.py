"""The table of verdicts: for each a sentence, what to do, and the exit code.

In the sentences `{port}` is such as `port 587`, `{over}` such as ` over IPv6` where only one IP version is meant, or
nothing. The order is that of weight: where no port works, the first that was found is the verdict.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Exit(enum.IntEnum):
    """Exit codes."""

    WELL = 0
    PARTLY = 1
    """Mail can be sent, and something is not as it should be."""
    WRONG_USE = 2
    NAME = 10
    """The name leads nowhere."""
    BLOCKED = 11
    """No port can be reached."""
    BETWEEN = 12
    """Something between here and the server changes, reads or cuts what is said."""
    TLS = 13
    """No TLS, or a certificate that a mail program refuses."""
    SERVER = 14
    """Something answers, and it does not take mail from members."""
    SIGN_IN = 15
    CLOCK = 16


class Kind(NamedTuple):
    """name: for programs. sentence, advice: with the places of `str.format`."""

    name: str
    exit_code: Exit
    sentence: str
    advice: str


_OTHER_NETWORK = (
    "Try from another network, such as your phone's. If it works there, ask who runs this network to "
    "open ports 465 and 587 for outgoing connections."
)
_SCANNER = (
    'Switch off the scan of outgoing or encrypted mail in your virus scanner ("mail shield", "SSL '
    "scan\"), or ask who runs this network's firewall to switch off SMTP inspection. Do not use a "
    "program without TLS instead."
)
_HELP_DESK = "Nothing on your computer mends this. Send this report to the help desk of {host}."

TABLE = (
    Kind(
        "name-unknown",
        Exit.NAME,
        "There is no server named {host}.",
        "Compare the name with the one that your organisation gives, letter by letter.",
    ),
    Kind(
        "name-without-address",
        Exit.NAME,
        "The name {host} is there, but leads to no address of the kind that was asked for.",
        "It may be a mail domain: ask your organisation for the name of its outgoing server.",
    ),
    Kind(
        "resolver-failed",
        Exit.NAME,
        "This computer cannot look up names: its resolver (DNS) gives no answer for {host}.",
        "Look whether a web page opens. If not, the network is down. If so, set another resolver, or "
        "restart the router.",
    ),
    Kind(
        "captive-portal",
        Exit.BETWEEN,
        "This network answers in the server's place ({detail}). It may want you to sign in to it "
        "first, as in hotels, trains and cafés.",
        "Open any web page in the browser, sign in to the network or accept its terms, and run this again.",
    ),
    Kind(
        "no-network",
        Exit.BLOCKED,
        "This computer has no way to the network.",
        "Connect it to a network, and run this again.",
    ),
    Kind(
        "forbidden-here",
        Exit.BLOCKED,
        "This computer itself forbids the connection to {port}{over}: a firewall or virus scanner on it.",
        "Allow your mail program, and this one, in the firewall of this computer.",
    ),
    Kind(
        "clock-wrong",
        Exit.CLOCK,
        "The clock of this computer seems to be wrong: it says {detail}.",
        "Compare it with another clock, such as your phone's. If it is wrong, set date, time and time zone (best "
        "automatically): certificates are valid for a time, so TLS fails by a wrong clock. If it is right, leave it: "
        "something between tells a false time.",
    ),
    Kind(
        "intercepted",
        Exit.BETWEEN,
        "{product} opens the encrypted connection to {port}{over} and reads along: the certificate is "
        'signed by "{signer}", not by an authority of the server\'s.',
        'If it is a virus scanner on this computer, switch off its scan of encrypted mail ("mail '
        'shield", "SSL scan"). If it is the network\'s, ask who runs it to leave out {host}. No '
        "password was sent.",
    ),
    Kind(
        "starttls-mangled",
        Exit.BETWEEN,
        'On {port}{over} a firewall has written over the server\'s offer of STARTTLS ("{detail}" '
        "stands in its place), so that nothing can be encrypted. Firewalls with SMTP inspection do "
        "this, mostly Cisco's.",
        "Ask who runs this network to switch off SMTP inspection (in Cisco's words: `no inspect esmtp`).",
    ),
    Kind(
        "starttls-unsupported",
        Exit.BETWEEN,
        'On {port}{over} STARTTLS is not offered, and the command is answered by "{detail}": something '
        "between, a firewall, provider or virus scanner, has taken it away. (A server that has no "
        "STARTTLS would look the same.)",
        _SCANNER,
    ),
    Kind(
        "starttls-unavailable",
        Exit.BETWEEN,
        'On {port}{over} STARTTLS is answered by "{detail}": TLS does not work there just now. A '
        "firewall or virus scanner that answers in the server's place says this, and a server whose "
        "certificate is broken.",
        _SCANNER + " If no other network helps, tell the help desk of {host}.",
    ),
    Kind(
        "starttls-refused",
        Exit.BETWEEN,
        'On {port}{over} STARTTLS is offered, and yet refused by "{detail}".',
        _SCANNER + " If no other network helps, tell the help desk of {host}.",
    ),
    Kind(
        "handshake-in-clear",
        Exit.BETWEEN,
        'On {port}{over} STARTTLS is agreed to, and then comes text in place of TLS ("{detail}"): what '
        "agreed is not the server.",
        _SCANNER,
    ),
    Kind(
        "handshake-cut",
        Exit.BETWEEN,
        "On {port}{over} the connection is cut when TLS begins ({detail}): something between does not "
        "let it through.",
        _SCANNER + " " + _OTHER_NETWORK,
    ),
    Kind(
        "text-behind-starttls",
        Exit.BETWEEN,
        'On {port}{over} something adds text of its own behind the answer to STARTTLS ("{detail}"). '
        "That is how answers are smuggled into an encrypted connection.",
        "Do not send mail over this network before it is known what does this. Tell the help desk of {host}.",
    ),
    Kind(
        "starttls-hidden",
        Exit.BETWEEN,
        "On {port}{over} the offer of STARTTLS is taken away, though the command works: something "
        "between tries to keep mail programs from TLS.",
        _SCANNER,
    ),
    Kind(
        "ehlo-refused",
        Exit.BETWEEN,
        'On {port}{over} the command EHLO is refused ("{detail}"): an old firewall answers in the '
        "server's place, or this is no server for members' mail.",
        _SCANNER,
    ),
    Kind(
        "greeting-replaced",
        Exit.BETWEEN,
        'On {port}{over} the server\'s words in clear are not its own ("{detail}"): something between '
        "has replaced them (or a balancer before the server speaks there).",
        _SCANNER,
    ),
    Kind(
        "not-yet-valid",
        Exit.TLS,
        "The certificate on {port}{over} is not yet valid: it begins on {begins}, and the clock of "
        "this computer says {now}.",
        "Look at the clock of this computer first: date, time and time zone. If they are right, tell "
        "the help desk of {host}.",
    ),
    Kind(
        "expired",
        Exit.TLS,
        "The certificate on {port}{over} has expired: it ended on {ends}, and the clock of this "
        "computer says {now}.",
        "If the clock is right, nothing on your computer mends this: tell the help desk of {host}.",
    ),
    Kind(
        "wrong-name",
        Exit.TLS,
        "The certificate on {port}{over} is for another server: {names}, and not {host}.",
        "Use the name that your organisation gives, letter by letter. If it is {host}, another server "
        "answers: try another network, and tell the help desk.",
    ),
    Kind(
        "self-signed",
        Exit.TLS,
        'The certificate on {port}{over} is signed by itself ("{signer}"), so nobody vouches for it. '
        "It may be the one of a router, a virus scanner or a server that was not finished.",
        "Do not accept it in the mail program. "
        + _OTHER_NETWORK
        + " If it is the same there, tell the help desk.",
    ),
    Kind(
        "unknown-authority",
        Exit.TLS,
        'The certificate on {port}{over} is signed by "{signer}", which this computer does not know: '
        "an organisation's own authority, or something between that reads along.",
        "Do not accept it in the mail program. Ask the help desk whether the authority is theirs; if "
        "so, install it. If not, something reads along: try another network.",
    ),
    Kind(
        "chain-incomplete",
        Exit.TLS,
        'The server sends its certificate on {port}{over} without the one of "{signer}" that belongs '
        "to it, so that many programs cannot check it.",
        "Nothing on your computer mends this. Tell the help desk of {host}: the file of the "
        "certificate must hold the intermediate certificates as well.",
    ),
    Kind(
        "bad-certificate",
        Exit.TLS,
        "The certificate on {port}{over} cannot be accepted: {detail}.",
        _HELP_DESK,
    ),
    Kind(
        "old-tls",
        Exit.TLS,
        "On {port}{over} only {detail} is spoken, which is no longer safe; mail programs of today refuse it.",
        "The server, or something between, is too old. " + _HELP_DESK,
    ),
    Kind(
        "no-common-tls",
        Exit.TLS,
        "On {port}{over} no TLS comes about: {detail}.",
        "Update your system and your mail program. If they are up to date, send this report to the "
        "help desk of {host}.",
    ),
    Kind(
        "not-judged",
        Exit.TLS,
        "The certificate on {port}{over} could not be judged: this Python does not know the "
        "authorities that your computer trusts.",
        "Install them: on macOS run `Install Certificates.command` in the folder of Python. Or name a "
        "file by --ca-file.",
    ),
    Kind(
        "plain-on-tls-port",
        Exit.SERVER,
        'On {port}{over} text is spoken ("{detail}") where TLS should begin at once.',
        "Set STARTTLS in place of SSL/TLS for this port in the mail program, or use the other port.",
    ),
    Kind(
        "tls-on-plain-port",
        Exit.SERVER,
        "On {port}{over} TLS begins at once, where a greeting in clear should come.",
        "Set SSL/TLS in place of STARTTLS for this port in the mail program.",
    ),
    Kind(
        "wrong-service",
        Exit.SERVER,
        'On {port}{over} there is something else than a mail server for sending ("{detail}").',
        "Compare server and port with what your organisation gives: this may be the incoming server.",
    ),
    Kind(
        "turned-away",
        Exit.SERVER,
        'The server turns this network away on {port}{over}: "{detail}".',
        "Its words say why. Wait some minutes, and try from another network; else tell the help desk "
        "of {host}.",
    ),
    Kind(
        "no-sign-in",
        Exit.SERVER,
        "On {port}{over} no sign-in is offered inside TLS: members cannot send here.",
        "Compare server and port with what your organisation gives: this may be its server for "
        "incoming mail.",
    ),
    Kind(
        "broken-off",
        Exit.SERVER,
        "On {port}{over} the dialogue ended before its time ({detail}).",
        "Run this again. If it stays so, try another network, and tell the help desk of {host}.",
    ),
    Kind(
        "sign-in-in-clear",
        Exit.SERVER,
        "On {port}{over} the sign-in is offered before anything is encrypted. A mail program that "
        "takes it sends the password for all to read.",
        'In the mail program never choose a security of "none". The help desk of {host} can switch this off.',
    ),
    Kind(
        "silent-after-connect",
        Exit.BETWEEN,
        "{port}{over} takes the connection and then nothing is said: mostly a virus scanner or "
        "firewall that stands in between.",
        _SCANNER + " " + _OTHER_NETWORK,
    ),
    Kind(
        "cut-at-once",
        Exit.BETWEEN,
        "{port}{over} takes the connection and ends it at once ({detail}), before a greeting.",
        _OTHER_NETWORK,
    ),
    Kind(
        "nothing-reached",
        Exit.BLOCKED,
        "None of the server's ports can be reached from here: {detail}.",
        _OTHER_NETWORK + " If it fails from everywhere, the name is wrong or the server is down.",
    ),
    Kind(
        "port-silent",
        Exit.BLOCKED,
        "{port}{over} does not answer: it is blocked on the way, mostly by the network or its "
        "provider, or not offered.",
        _OTHER_NETWORK,
    ),
    Kind(
        "port-refused",
        Exit.BLOCKED,
        "{port}{over} refuses connections: nothing listens there, or a firewall says so.",
        _OTHER_NETWORK,
    ),
    Kind(
        "port-reset",
        Exit.BLOCKED,
        "The connection to {port}{over} is reset on the way: a firewall does that.",
        _OTHER_NETWORK,
    ),
    Kind(
        "port-unreachable",
        Exit.BLOCKED,
        "The network says that there is no way to {port}{over} ({detail}).",
        _OTHER_NETWORK,
    ),
    Kind(
        "ends-soon",
        Exit.WELL,
        "The certificate on {port}{over} ends on {ends}.",
        "Tell the help desk of {host}, should they not know.",
    ),
    Kind(
        "announced-elsewhere",
        Exit.WELL,
        "The server {detail} is in another domain than {host}, and DNS alone says that it is the one. Whoever runs "
        "this network can change that: use it only if your organisation names it.",
        "Compare the name of the server with the one that your organisation gives.",
    ),
)
"""What can be found on the way, by weight."""

OUTCOMES = (
    Kind("well", Exit.WELL, "All is well: {works}.", "In the mail program set: {settings}."),
    Kind(
        "partly",
        Exit.PARTLY,
        "Mail can be sent: {works}. But not all is as it should be.",
        "In the mail program set: {settings}.",
    ),
    Kind(
        "signed-in",
        Exit.WELL,
        "All is well: {works}, and user name and password were accepted.",
        "In the mail program set: {settings}.",
    ),
    Kind(
        "nothing-to-test",
        Exit.BLOCKED,
        "Only the port between servers was looked at, where members do not send.",
        "Run this without --port, or with --port 465 and --port 587.",
    ),
)
"""How it ends where a port works."""

SIGNING_IN = (
    Kind(
        "wrong-password",
        Exit.SIGN_IN,
        'The connection is well, but user name or password is wrong: "{detail}".',
        "Type both anew, looking at capitals. The user name may have to be the whole mail address.",
    ),
    Kind(
        "app-password",
        Exit.SIGN_IN,
        'The connection is well; the sign-in wants an app password: "{detail}".',
        "Make a new app password where your organisation offers them, and use it in the mail program.",
    ),
    Kind(
        "may-not-send",
        Exit.SIGN_IN,
        'The connection is well; this account may not send, or not from here: "{detail}".',
        "Ask the help desk of {host}.",
    ),
    Kind(
        "locked",
        Exit.SIGN_IN,
        'The connection is well; the server takes no sign-in at the moment: "{detail}".',
        "Wait for the time that it names. Find the device that still tries an old password; until then "
        "it locks you anew.",
    ),
    Kind(
        "no-mechanism",
        Exit.SIGN_IN,
        "The connection is well; the server offers neither PLAIN nor LOGIN, the ways to sign in that "
        "this program knows ({detail}).",
        "The mail program may know another way, such as OAuth: choose what your organisation gives.",
    ),
    Kind(
        "sign-in-refused",
        Exit.SIGN_IN,
        'The connection is well; the sign-in is refused: "{detail}".',
        "Ask the help desk of {host}.",
    ),
    Kind(
        "sign-in-elsewhere",
        Exit.SIGN_IN,
        "No sign-in was tried: {detail} is in another domain than {host}, and DNS alone says that it is the server.",
        "If your organisation names this server, run this again with its name in place of {host}. If not, do not use "
        "it: something in this network may lead you astray.",
    ),
    Kind(
        "sign-in-broken",
        Exit.SIGN_IN,
        "The sign-in did not come to an end: {detail}.",
        "Run this again. If it stays so, send this report to the help desk of {host}.",
    ),
    Kind(
        "no-safe-sign-in",
        Exit.SIGN_IN,
        "No sign-in was tried, for there is no port with TLS that can be trusted.",
        "See to what is told above first.",
    ),
)
"""What came of a sign-in."""

KINDS = {kind.name: kind for kind in (*TABLE, *OUTCOMES, *SIGNING_IN)}
WEIGHTS = {kind.name: number for number, kind in enumerate(TABLE)}
