"""Connections, TLS, and how connections end."""

from __future__ import annotations

from collections.abc import Mapping

from sams.activity.explaining.stages import Tone
from sams.activity.explaining.texts.interface import Words
from sams.core.translatable import translatable

CONNECTING: Mapping[str, Words] = {
    # --- the connection
    "connected-starttls": Words(
        Tone.GOOD,
        translatable("Connected to port {port}, where encryption is switched on by STARTTLS."),
    ),
    "connected-tls": Words(
        Tone.GOOD,
        translatable("Connected to port {port}, where encryption (SSL/TLS) begins at once."),
    ),
    "connected-page": Words(
        Tone.NOTE, translatable("The web pages of the service were opened to sign in there.")
    ),
    "through-balancer": Words(Tone.NOTE, translatable("The connection came through the load balancer.")),
    "balancer-itself": Words(
        Tone.NOTE,
        translatable("The load balancer itself connected, to see whether the service is there."),
    ),
    "proxy-refused": Words(
        Tone.BAD,
        translatable(
            "The connection was closed at once: it did not come from the load balancer as it should."
        ),
        translatable(
            "Connect to the server's public name and port, not to the machine behind the load balancer. "
            "If you did, tell the help desk: the load balancer does not send the PROXY protocol."
        ),
    ),
    "begin-not-known": Words(
        Tone.NOTE,
        translatable("The connection began earlier; what happened first is no longer known."),
    ),
    # --- TLS
    "tls": Words(
        Tone.GOOD,
        translatable("Encryption is on: {version} with {cipher}[, for the server name {server_name}]."),
    ),
    "tls-resumed": Words(
        Tone.GOOD,
        translatable(
            "Encryption is on, continued from an earlier connection: {version} with {cipher}"
            "[, for the server name {server_name}]."
        ),
    ),
    "tls-failed-old-version": Words(
        Tone.BAD,
        translatable(
            "Encryption failed: the mail program knows only old versions of it that are not safe any more"
            "[ ({offered})]."
        ),
        translatable(
            "Update the mail program and the system, or use a newer program: it must know TLS 1.2 or TLS 1.3. "
            "Outlook on Windows 7 needs Microsoft's update for TLS 1.2; Outlook 2000, Outlook Express and "
            "Netscape cannot learn it. For an old printer or scanner look for a new firmware, or ask the help desk."
        ),
    ),
    "tls-failed-no-suite": Words(
        Tone.BAD,
        translatable(
            "Encryption failed: the mail program and the service have no cipher in common"
            "[. The program offered: {suites}]."
        ),
        translatable(
            "Update the mail program and the system; in its settings for security allow the modern ciphers "
            "(AES-GCM, ChaCha20). For an old printer or scanner look for a new firmware, or ask the help desk."
        ),
    ),
    "tls-failed-plain-text": Words(
        Tone.BAD,
        translatable(
            "The mail program spoke without encryption[ ({word})] to port {port}, where encryption begins at once."
        ),
        translatable(
            "Set the security of the outgoing server to SSL/TLS[ for port {tls_port}].[ For STARTTLS set port "
            "{starttls_port}.] 'None' works at no port."
        ),
    ),
    "tls-failed-plain-text-after-starttls": Words(
        Tone.BAD,
        translatable(
            "The mail program asked for encryption by STARTTLS and then went on without it[ ({word})]."
        ),
        translatable(
            "[Use port {tls_port} with SSL/TLS.] If that fails, switch off the scanning of outgoing mail in "
            "the anti-virus product, or update the mail program."
        ),
    ),
    "tls-failed-http": Words(
        Tone.BAD,
        translatable(
            "A web browser or a web program connected[ ({word})]; this is a server for sending mail."
        ),
        translatable(
            "Do not open the server in a browser: enter its name and port in the mail program, as its outgoing "
            "server."
        ),
    ),
    "tls-failed-silent": Words(
        Tone.BAD,
        translatable(
            "The program connected to port {port} and then waited for the server to speak first. "
            "Here the program must begin with encryption."
        ),
        translatable(
            "Set the security of the outgoing server to SSL/TLS[ for port {tls_port}][, or STARTTLS with port "
            "{starttls_port}]."
        ),
    ),
    "tls-failed-silent-after-starttls": Words(
        Tone.BAD,
        translatable("The mail program asked for encryption by STARTTLS, and then nothing of it arrived."),
        translatable(
            "Something on the way may hold the encryption back: switch off the scanning of outgoing mail in "
            "the anti-virus product[, try port {tls_port} with SSL/TLS], or try another network."
        ),
    ),
    "tls-failed-hung-up": Words(
        Tone.BAD,
        translatable("The connection was ended from the other side while encryption was being set up."),
        translatable(
            "Try again. If it stays so, something on the way breaks the encryption: switch off the scanning of "
            "outgoing mail in the anti-virus product, or try another network, such as that of a mobile phone."
        ),
    ),
    "tls-failed-hung-up-after-certificate": Words(
        Tone.BAD,
        translatable(
            "The mail program saw the server's certificate and hung up. Mostly that means that it did not accept it, "
            "or asks you whether it shall."
        ),
        translatable(
            "Check that the server's name in the program is written exactly as in the set-up instructions, and that "
            "the date and time of the computer are right. Do not make an exception for a certificate of another name."
        ),
    ),
    "tls-failed-too-slow": Words(
        Tone.BAD,
        translatable("Encryption was not set up within the time that is allowed."),
        translatable(
            "Try again over a better connection.[ If it stays so, try port {tls_port} with SSL/TLS.]"
        ),
    ),
    "tls-failed-not-trusted": Words(
        Tone.BAD,
        translatable("The mail program did not trust the server's certificate[ ({alert})] and hung up."),
        translatable(
            "Check that the server's name in the program is written exactly as in the set-up instructions, that the "
            "date and time of the computer are right, and that the system is up to date. If all that is right, tell "
            "the help desk: something may be wrong with the certificate itself."
        ),
    ),
    "tls-failed-client-certificate": Words(
        Tone.BAD,
        translatable("The mail program showed a certificate of its own that is not accepted here."),
        translatable(
            "Choose another client certificate in the program, or none: then sign in with user name and password."
        ),
    ),
    "tls-failed-too-long": Words(
        Tone.BAD,
        translatable("What the program sent to set up encryption was longer than any program's should be."),
        translatable(
            "Update the mail program; if it shows a client certificate, choose none. Else ask the help desk."
        ),
    ),
    "tls-failed-tls-to-plain": Words(
        Tone.BAD,
        translatable(
            "The mail program began with encryption at once on port {port}, where it is switched on by STARTTLS."
        ),
        translatable(
            "Set the security of the outgoing server to STARTTLS[ for port {starttls_port}][, or keep SSL/TLS "
            "and set port {tls_port}]."
        ),
    ),
    "tls-failed-other": Words(
        Tone.BAD,
        translatable("Encryption failed[: {why}]."),
        translatable(
            "Update the mail program. If it stays so, switch off the scanning of outgoing mail in the anti-virus "
            "product, or tell the help desk the time and what the program says."
        ),
    ),
    "tls-broken": Words(
        Tone.BAD,
        translatable("The encrypted connection was damaged on the way[: {why}]."),
        translatable(
            "Try again. If it comes often, switch off the scanning of outgoing mail in the anti-virus product, or "
            "try "
            "another network."
        ),
    ),
    # --- STARTTLS that did not happen
    "left-without-tls": Words(
        Tone.BAD,
        translatable(
            "The program never asked for encryption and left: it is set to 'none', or something on the way "
            "(an anti-virus product, a firewall) hid the offer of STARTTLS."
        ),
        translatable(
            "Set the security of the outgoing server to STARTTLS[ with port {starttls_port}]. If it is set so, "
            "switch off the scanning of outgoing mail in the anti-virus product[, or use port {tls_port} with "
            "SSL/TLS, which nothing on the way can hide]."
        ),
    ),
    "left-without-tls-helo": Words(
        Tone.BAD,
        translatable(
            "The program greeted in the old way (HELO), in which no encryption is offered, and left. "
            "It is very old, or something on the way (a firewall) changed its greeting."
        ),
        translatable(
            "[Use port {tls_port} with SSL/TLS.] A program that cannot encrypt is too old: use a newer one, or "
            "ask the help desk."
        ),
    ),
    "starttls-mangled": Words(
        Tone.BAD,
        translatable(
            "In place of a command something unreadable arrived ({said}): a firewall or an anti-virus product on the "
            "way overwrites STARTTLS, so that passwords would be sent in clear."
        ),
        translatable(
            "Switch off the scanning of outgoing mail in the anti-virus product, and 'SMTP inspection' (ESMTP "
            "fixup) in the firewall.[ Or use port {tls_port} with SSL/TLS: what begins encrypted cannot be "
            "changed on the way.]"
        ),
    ),
    "starttls-injected": Words(
        Tone.BAD,
        translatable(
            "The program sent more behind STARTTLS without waiting for the answer, which is not safe; "
            "the connection was closed."
        ),
        translatable("Update the program[, or use port {tls_port} with SSL/TLS]."),
    ),
    "starttls-not-offered": Words(
        Tone.BAD,
        translatable("The program asked for STARTTLS, which is not offered on this port."),
        translatable("Set SSL/TLS[ with port {tls_port}][, or port {starttls_port} for STARTTLS]."),
    ),
    "starttls-twice": Words(
        Tone.BAD,
        translatable("The program asked for STARTTLS where encryption is on already."),
        translatable(
            "Set the security of the outgoing server to SSL/TLS[ for port {tls_port}][, or use port "
            "{starttls_port} with STARTTLS]."
        ),
    ),
    "not-smtp": Words(
        Tone.BAD,
        translatable("What connected does not speak the language of mail (SMTP); the connection was closed."),
        translatable(
            "Enter the server as outgoing mail server (SMTP) in the program.[ Its port for SSL/TLS is "
            "{tls_port}.][ Its port for STARTTLS is {starttls_port}.]"
        ),
    ),
    # --- greeting
    "greeted": Words(
        Tone.NOTE,
        translatable("The program introduced itself ({verb}[ {name}])."),
        anonymous=translatable("The program introduced itself ({verb})."),
    ),
    # --- how it ended
    "left-at-once": Words(
        Tone.NOTE,
        translatable(
            "The connection was ended from the other side before anything was said. Programs that watch servers or "
            "look for open ports do so; so does a network that breaks."
        ),
        translatable(
            "If this was your mail program, try again, and then another network, such as that of a mobile "
            "phone[, or port {tls_port} with SSL/TLS]."
        ),
    ),
    "left-after-tls": Words(
        Tone.BAD,
        translatable(
            "The program left as soon as encryption was on, without a word. Mostly it asks you about the server's "
            "certificate, or did not accept it."
        ),
        translatable(
            "Look whether the program shows a question about a certificate. The server's name in it must be written "
            "exactly as in the set-up instructions; the date and time of the computer must be right. An anti-virus "
            "product that scans mail may put its own certificate in place of ours: switch its mail scanning off."
        ),
    ),
    "left-without-sign-in": Words(
        Tone.BAD,
        translatable(
            "The program left without trying to sign in: it is not set to, or it knows none of the methods that are "
            "offered here."
        ),
        translatable(
            "Switch on authentication for outgoing mail in the program, with your user name and password, and choose "
            "the method 'normal password', not 'encrypted password', NTLM or 'secure password authentication' (SPA). "
            "The encrypted connection protects the password."
        ),
    ),
    "nothing-sent": Words(
        Tone.NOTE,
        translatable(
            "The program signed in and sent no message: so do programs that only check their settings."
        ),
    ),
    "closed-quit": Words(Tone.NOTE, translatable("The program said goodbye.")),
    "closed-lost": Words(Tone.NOTE, translatable("The connection ended without a goodbye.")),
    "closed-timeout": Words(Tone.NOTE, translatable("The service ended the connection: its time was over.")),
    "closed-tls": Words(Tone.NOTE, translatable("The connection ended, as there was no encryption.")),
    "closed-proxy": Words(Tone.NOTE, translatable("The service closed the connection.")),
    "closed-protocol": Words(
        Tone.BAD,
        translatable("The service ended the connection after too many mistakes."),
        translatable("Mend what went wrong above first; then try again."),
    ),
    "closed-too-many-sign-ins": Words(
        Tone.BAD,
        translatable("The service ended the connection after too many sign-ins that failed."),
        translatable(
            "Enter the password anew in every program and device that uses it before you try again."
        ),
    ),
    "closed-limits": Words(
        Tone.BAD,
        translatable("The service is very busy and ended the connection, as nobody had signed in on it."),
        translatable("Try again in a minute. If it stays so, tell the help desk."),
    ),
    "closed-bug": Words(
        Tone.BAD,
        translatable("Something went wrong in the service, and the connection ended."),
        translatable("Try again. If it happens again, tell the help desk."),
    ),
    "closed-shutdown": Words(
        Tone.WAIT,
        translatable("The service is restarting and ended the connection."),
        translatable("Try again in a minute; most programs do so by themselves."),
    ),
    "closed-revoked": Words(
        Tone.BAD,
        translatable("The account was changed while the connection was open, and the connection was ended."),
        translatable("Sign in again, with the new password if it was changed."),
    ),
    "closed-other": Words(Tone.NOTE, translatable("The connection ended[ ({how})].")),
    "timeout-idle": Words(
        Tone.NOTE,
        translatable("Nothing was heard from the program for too long, and the connection was ended."),
        translatable("You need not do anything, unless a message was lost: then send it again."),
    ),
    "timeout-sign-in": Words(
        Tone.BAD,
        translatable("Nobody signed in within the time that is allowed, and the connection was ended."),
        translatable(
            "Look whether the program waits for you to enter a password. Switch on authentication for outgoing mail."
        ),
    ),
    "timeout-session": Words(
        Tone.NOTE,
        translatable("The connection had been open as long as it may, and was ended."),
        translatable("You need not do anything: the program connects again."),
    ),
    "timeout-stalled": Words(
        Tone.BAD,
        translatable("The message stopped coming in the middle, and the connection was ended."),
        translatable(
            "Send it again over a better connection. If large messages never get through, the network may be at "
            "fault (a VPN, a mobile router): try another one."
        ),
    ),
    "timeout-slow": Words(
        Tone.BAD,
        translatable("The message came too slowly, and the connection was ended."),
        translatable(
            "Send it again over a better connection, or send a link in place of a large attachment."
        ),
    ),
    "omitted": Words(Tone.NOTE, translatable("More happened here that is left out (steps: {events}).")),
}
