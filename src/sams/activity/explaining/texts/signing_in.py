"""Signing in."""

from __future__ import annotations

from collections.abc import Mapping

from sams.activity.explaining.stages import Tone
from sams.activity.explaining.texts.interface import Words
from sams.core.translatable import translatable

_NEW_PASSWORD = translatable(
    "Enter user name and password anew in the program, also in those of other devices. If you do not know the "
    "password any more, the help desk gives you a new one."
)

SIGNING_IN: Mapping[str, Words] = {
    "signed-in": Words(
        Tone.GOOD,
        translatable("Signed in as {login} ({mechanism})."),
        anonymous=translatable("Signed in ({mechanism})."),
    ),
    "signed-in-app-password": Words(
        Tone.GOOD,
        translatable("Signed in as {login} with an app password ({mechanism})."),
        anonymous=translatable("Signed in with an app password ({mechanism})."),
    ),
    "signed-in-page": Words(
        Tone.GOOD,
        translatable("Signed in as {login} on the web pages."),
        anonymous=translatable("Signed in on the web pages."),
    ),
    # --- refused
    "sign-in-wrong": Words(
        Tone.BAD,
        translatable("Sign-in[ as {login}] refused: user name or password wrong."),
        _NEW_PASSWORD,
        anonymous=translatable("Sign-in refused: user name or password wrong."),
    ),
    "sign-in-unknown": Words(
        Tone.BAD,
        translatable("Sign-in[ as {login}] refused: there is no account of this name."),
        translatable(
            "Correct the user name in the program. The set-up instructions say what it is: your whole mail address, "
            "a part of it, or another name."
        ),
        anonymous=translatable("Sign-in refused: user name or password wrong."),
    ),
    "sign-in-previous-password": Words(
        Tone.BAD,
        translatable(
            "Sign-in[ as {login}] refused: this was the right password earlier, and was changed since."
        ),
        translatable("Enter the new password in this program: it still has the old one."),
        anonymous=translatable("Sign-in refused: user name or password wrong."),
    ),
    "sign-in-app-password-needed": Words(
        Tone.BAD,
        translatable(
            "Sign-in[ as {login}] refused: user name or password wrong. Here an app password is needed, not the "
            "usual password."
        ),
        translatable(
            "Enter an app password in the program as the password, and look whether the user name is right. If you "
            "have no app password, or yours does not work any more, the help desk gives you a new one."
        ),
        anonymous=translatable(
            "Sign-in refused: user name or password wrong. Here an app password is needed, not the usual password."
        ),
    ),
    "sign-in-app-password-expired": Words(
        Tone.BAD,
        translatable("Sign-in[ as {login}] refused: this app password has expired."),
        translatable("Get a new app password from the help desk and enter it in the program."),
        anonymous=translatable("Sign-in refused: this app password has expired."),
    ),
    "sign-in-locked": Words(
        Tone.BAD,
        translatable(
            "Sign-in[ as {login}] is locked for a while after too many wrong passwords[, until {until}]."
        ),
        translatable(
            "Find the program or device that still has the old password and enter the new one there. If the right "
            "password is refused as well, wait until the lock is over. The help desk can end the lock."
        ),
        anonymous=translatable(
            "Sign-in is locked for a while after too many wrong passwords[, until {until}]."
        ),
    ),
    "sign-in-locked-network": Words(
        Tone.BAD,
        translatable(
            "Too many wrong passwords came from this network, so that it is locked[ until {until}]."
        ),
        translatable(
            "Find the program or device here that still has the old password and enter the new one there. Or use "
            "another network meanwhile. The help desk can end the lock."
        ),
    ),
    "sign-in-suspended": Words(
        Tone.BAD,
        translatable("The password was right, but the account[ {login}] may not send mail at present."),
        translatable("Ask the help desk why the account is suspended or has expired."),
        anonymous=translatable("The password was right, but the account may not send mail at present."),
    ),
    "sign-in-unavailable": Words(
        Tone.WAIT,
        translatable(
            "The service could not check the password at the moment; that says nothing about the password."
        ),
        translatable(
            "Try again in some minutes, and do not change the password. If it stays so, tell the help desk."
        ),
    ),
    "sign-in-busy": Words(
        Tone.WAIT,
        translatable("Too many sign-ins came at once; this one was put off."),
        translatable("Try again in a minute."),
    ),
    "sign-in-devices-only": Words(
        Tone.BAD,
        translatable("This port is for printers and other devices only."),
        translatable(
            "Set the port for people in the program.[ With SSL/TLS it is {tls_port}.][ With STARTTLS it is "
            "{starttls_port}.]"
        ),
    ),
    "sign-in-other-network": Words(
        Tone.BAD,
        translatable("The password is right, but it may be used from other networks only."),
        translatable(
            "Use it in the network that it was made for, such as that of the office, or get an app password without "
            "that limit from the help desk."
        ),
    ),
    "sign-in-too-many-connections": Words(
        Tone.BAD,
        translatable("The account[ {login}] has too many connections open already."),
        translatable(
            "Close mail programs that you do not use, also on other devices, and try again in some minutes. If you "
            "use "
            "no other, somebody else may know the password: change it."
        ),
        anonymous=translatable("The account has too many connections open already."),
    ),
    "sign-in-wrong-token": Words(
        Tone.BAD,
        translatable(
            "Sign-in[ as {login}] refused: the program's permission (its token) is not accepted any more."
        ),
        translatable(
            "Sign in anew on the organisation's sign-in page: remove the account in the program and add it again."
        ),
        anonymous=translatable(
            "Sign-in refused: the program's permission (its token) is not accepted any more."
        ),
    ),
    "sign-in-wrong-certificate": Words(
        Tone.BAD,
        translatable(
            "Sign-in[ as {login}] by client certificate refused: the certificate is of no account here."
        ),
        translatable(
            "Choose another client certificate in the program, or sign in with user name and password."
        ),
        anonymous=translatable(
            "Sign-in by client certificate refused: the certificate is of no account here."
        ),
    ),
    "sign-in-ticket-clock": Words(
        Tone.BAD,
        translatable("Sign-in by Kerberos refused: the clock of this computer is wrong."),
        translatable(
            "Set the date and time of the computer, then sign in to it anew to get a new Kerberos ticket."
        ),
    ),
    "sign-in-ticket": Words(
        Tone.BAD,
        translatable("Sign-in by Kerberos refused: the ticket has expired or is not for this service."),
        translatable(
            "Sign in to the computer anew (or `kinit`) to get a new ticket. The server's name in the program must be "
            "the one of the set-up instructions. Otherwise choose 'normal password' in place of Kerberos."
        ),
    ),
    "sign-in-refused": Words(
        Tone.BAD,
        translatable("Sign-in[ as {login}] refused: {reply}."),
        _NEW_PASSWORD,
        anonymous=translatable("Sign-in refused[ (code {code})]."),
    ),
    # --- before there was anything to check
    "sign-in-without-tls": Words(
        Tone.BAD,
        translatable("The program wanted to sign in without encryption; its password was not taken."),
        translatable(
            "Set the security of the outgoing server to SSL/TLS[ with port {tls_port}][, or STARTTLS with port "
            "{starttls_port}]. If it is set so, something on the way hides the offer: switch off the scanning "
            "of outgoing mail in the anti-virus product[, or use port {tls_port}]. The program may have sent "
            "the password in clear: get a new one."
        ),
    ),
    "mail-without-tls": Words(
        Tone.BAD,
        translatable("The program wanted to send without encryption."),
        translatable(
            "Set the security of the outgoing server to SSL/TLS[ with port {tls_port}][, or STARTTLS with port "
            "{starttls_port}]. If it is set so, something on the way hides the offer: switch off the scanning "
            "of outgoing mail in the anti-virus product[, or use port {tls_port}]."
        ),
    ),
    "mail-without-sign-in": Words(
        Tone.BAD,
        translatable("The program wanted to send without signing in."),
        translatable(
            "Switch on authentication for outgoing mail in the program: 'Outgoing server requires authentication', "
            "with the same user name and password as for incoming mail and the method 'normal password'."
        ),
    ),
    "mechanism-not-offered": Words(
        Tone.BAD,
        translatable(
            "The program wanted to sign in by a method that is not offered here[ ({mechanism})]"
            "[. There is: {offered}]."
        ),
        translatable(
            "Choose 'normal password' as the method for the outgoing server, not 'encrypted password', NTLM or "
            "'secure password authentication' (SPA). The encrypted connection protects the password."
        ),
    ),
    "sign-in-cancelled": Words(
        Tone.BAD,
        translatable("The program began to sign in and gave it up."),
        translatable(
            "Look whether the program waits for you to enter a password. If not, choose 'normal password' as the "
            "method for the outgoing server."
        ),
    ),
    "sign-in-intercepted": Words(
        Tone.BAD,
        translatable(
            "The program signed in for another encrypted connection than the one that arrived here: something on the "
            "way opens the encryption."
        ),
        translatable(
            "Switch off the scanning of encrypted mail in the anti-virus product or firewall, and try another "
            "network. "
            "Until then do not enter the password: tell the help desk."
        ),
    ),
    "sign-in-malformed": Words(
        Tone.BAD,
        translatable("The program made a mistake in the form of the sign-in: {reply}."),
        translatable(
            "Enter user name and password anew; leave out special characters that the program cannot send. Choose "
            "'normal password' as the method, or update the program."
        ),
        anonymous=translatable("The program made a mistake in the form of the sign-in[ (code {code})]."),
    ),
    # --- beside connections
    "guard-locked": Words(
        Tone.BAD,
        translatable(
            "The service locked sign-ins[ as {login}] after too many wrong passwords[, until {until}]."
        ),
        translatable(
            "Find the program or device that still has the old password and enter the new one there. The help desk "
            "can "
            "end the lock."
        ),
        anonymous=translatable(
            "The service locked sign-ins from here after too many wrong passwords[, until {until}]."
        ),
    ),
    "guard-released": Words(
        Tone.GOOD,
        translatable("The help desk ended the lock: signing in is possible again."),
    ),
    "account-changed": Words(
        Tone.NOTE,
        translatable("The account[ {login}] was changed: {what}."),
        anonymous=translatable("An account was changed."),
    ),
}
