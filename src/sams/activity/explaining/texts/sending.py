"""Sender, recipients and the message itself."""

from __future__ import annotations

from collections.abc import Mapping

from sams.activity.explaining.stages import Tone
from sams.activity.explaining.texts.interface import Words
from sams.core.translatable import translatable

SENDING: Mapping[str, Words] = {
    "envelope": Words(
        Tone.NOTE,
        translatable("A message began: from {sender} to {first}[ and others, recipients: {many}]."),
        anonymous=translatable("A message began (recipients: {recipients})."),
    ),
    # --- the sender
    "sender-refused": Words(
        Tone.BAD,
        translatable("The sender address is not one of this account: {reply}."),
        translatable(
            "Set your own mail address as the sender in the program's account settings, also under 'From', "
            "'identities' and 'return address'. For a shared address ask the help desk for the right to use it."
        ),
        anonymous=translatable("The sender address is not one of the account that signed in."),
    ),
    "sender-unavailable": Words(
        Tone.WAIT,
        translatable(
            "The service could not find out at the moment whether the account may send as this address."
        ),
        translatable("Try again in some minutes. Your own address works meanwhile."),
    ),
    "sender-syntax": Words(
        Tone.BAD,
        translatable("The sender address is not written as a mail address is: {reply}."),
        translatable(
            "Correct the mail address in the program's account settings: name@domain, without spaces."
        ),
        anonymous=translatable("The sender address is not written as a mail address is."),
    ),
    "null-sender": Words(
        Tone.BAD,
        translatable("The message had no sender address, which is for read receipts and the like only."),
        translatable("Set your own mail address as the sender in the program or script."),
    ),
    "address-needs-utf8": Words(
        Tone.BAD,
        translatable(
            "An address has letters such as ä or é, and the program did not announce that (SMTPUTF8)."
        ),
        translatable("Use the address without such letters, or a program that can send to them."),
    ),
    "parameter-refused": Words(
        Tone.BAD,
        translatable("The program asked for something that is not offered here: {reply}."),
        translatable(
            "Switch off the special option in the program (receipts, priority, size), or update it."
        ),
        anonymous=translatable("The program asked for something that is not offered here[ (code {code})]."),
    ),
    # --- recipients
    "quota": Words(
        Tone.BAD,
        translatable("The account has sent to as many recipients as it may for now: {reply}."),
        translatable(
            "Wait until the time that the reply to your program names, then send the rest; to write to many at once "
            "use a mailing list. If you did not send so much, somebody else may know the password: change it and "
            "tell the help desk."
        ),
        anonymous=translatable("The account has sent to as many recipients as it may for now."),
    ),
    "no-route": Words(
        Tone.BAD,
        translatable("The service does not know where to send mail for this recipient's domain."),
        translatable("Check how the part behind the @ is written. If it is right, tell the help desk."),
    ),
    "recipient-syntax": Words(
        Tone.BAD,
        translatable("A recipient's address is not written as a mail address is: {reply}."),
        translatable("Correct the address: name@domain, without spaces, commas or a full stop at the end."),
        anonymous=translatable("A recipient's address is not written as a mail address is."),
    ),
    "recipient-not-allowed": Words(
        Tone.BAD,
        translatable("This account may write to some recipients only: {reply}."),
        translatable("Ask the help desk: this password or device is limited to certain recipients."),
        anonymous=translatable("This account may write to some recipients only."),
    ),
    "too-many-recipients": Words(
        Tone.BAD,
        translatable("The message had more recipients than one message may have: {reply}."),
        translatable(
            "Send it to fewer at once, or use a mailing list. Some programs send the rest by themselves."
        ),
        anonymous=translatable("The message had more recipients than one message may have."),
    ),
    "recipient-refused": Words(
        Tone.BAD,
        translatable("A recipient was refused: {reply}."),
        translatable("Check the address. If it is right, tell the help desk[ the reference {reference}]."),
        anonymous=translatable("A recipient was refused[ (code {code})]."),
    ),
    # --- the message
    "from-refused": Words(
        Tone.BAD,
        translatable(
            "The message was refused, as the address under From is not one of this account: {reply}."
        ),
        translatable(
            "Set your own mail address as the sender ('From') in the program, also in its identities. For a shared "
            "address ask the help desk for the right to use it."
        ),
        anonymous=translatable(
            "The message was refused, as the address under From is not one of the account that signed in."
        ),
    ),
    "from-malformed": Words(
        Tone.BAD,
        translatable("The message was refused, as its From is not one readable address: {reply}."),
        translatable(
            "Correct name and mail address in the program's account settings, or the script that writes From."
        ),
        anonymous=translatable("The message was refused, as its From is not one readable address."),
    ),
    "from-name": Words(
        Tone.BAD,
        translatable("The message was refused, as the name under From shows another mail address: {reply}."),
        translatable(
            "Set your own name as the name in the program's account settings, without a mail address in it."
        ),
        anonymous=translatable("The message was refused, as the name under From shows another mail address."),
    ),
    "resent-refused": Words(
        Tone.BAD,
        translatable("The message was redirected, which is not possible so: {reply}."),
        translatable(
            "Forward the message in place of redirecting it ('Forward', not 'Redirect' or 'Bounce')."
        ),
        anonymous=translatable("The message was redirected, which is not possible so."),
    ),
    "too-large": Words(
        Tone.BAD,
        translatable("The message is too large: {reply}."),
        translatable(
            "Send a link to the file in place of the attachment, or make pictures smaller. An attachment grows by a "
            "third when it is sent."
        ),
        anonymous=translatable("The message is too large."),
    ),
    "header-too-large": Words(
        Tone.BAD,
        translatable("The header of the message is too large: {reply}."),
        translatable("Write to fewer people in To and Cc at once: use a mailing list."),
        anonymous=translatable("The header of the message is too large."),
    ),
    "bare-newlines": Words(
        Tone.BAD,
        translatable("The message has line ends that mail must not have (a CR or LF that stands alone)."),
        translatable(
            "Mend the script or device that wrote it: each line ends in CR LF. Mail programs do that right; for a "
            "device that cannot be mended ask the help desk."
        ),
    ),
    "message-malformed": Words(
        Tone.BAD,
        translatable("The message is not made as a mail must be: {reply}."),
        translatable(
            "Send it as a new message from an up-to-date program; a script should break long lines."
        ),
        anonymous=translatable("The message is not made as a mail must be."),
    ),
    "mail-loop": Words(
        Tone.BAD,
        translatable("The message has gone round in a circle and was refused."),
        translatable(
            "Look for rules that send mail on by themselves (forwarding, vacation messages), and end them."
        ),
    ),
    "disk-full": Words(
        Tone.WAIT,
        translatable("The service has no room for messages at the moment; nothing was sent."),
        translatable("Try again later. If it stays so, tell the help desk."),
    ),
    "not-stored": Words(
        Tone.WAIT,
        translatable("The service could not store the message at the moment; it was not sent."),
        translatable("Send it again in some minutes."),
    ),
    "our-mistake": Words(
        Tone.BAD,
        translatable("Something went wrong in the service; what was asked for was not done."),
        translatable("Try again. If it happens again, tell the help desk[ the reference {reference}]."),
    ),
    "message-refused": Words(
        Tone.BAD,
        translatable("The message was refused: {reply}."),
        translatable(
            "Do what the reply says. If it says nothing, tell the help desk[ the reference {reference}]."
        ),
        anonymous=translatable("The message was refused[ (code {code})]."),
    ),
    "message-lost": Words(
        Tone.BAD,
        translatable("The connection was lost in the middle of a message; it was not sent."),
        translatable(
            "Send it again. If large messages never get through, something on the way ends the connection (a VPN, a "
            "mobile router, an anti-virus product): try another network."
        ),
    ),
    "message-abandoned": Words(
        Tone.NOTE,
        translatable("The program gave up the message before it was complete; it was not sent."),
        translatable("Send it again."),
    ),
    "accepted": Words(
        Tone.GOOD,
        translatable("The message was accepted as {message} ({size}, recipients: {recipients})."),
        anonymous=translatable("A message was accepted ({size}, recipients: {recipients})."),
    ),
    "let-through": Words(
        Tone.NOTE,
        translatable("Let through, where a stricter setting would refuse: {detail}."),
        anonymous=translatable("Something was let through that a stricter setting would refuse."),
    ),
    # --- other commands
    "follows": Words(
        Tone.NOTE,
        translatable("What the program sent behind the refusal was refused with it ({verb})."),
    ),
    "command-unknown": Words(
        Tone.BAD,
        translatable("The program said something that is no command of mail[: {said}]."),
        translatable(
            "If this is a mail program, something on the way may change what it says: switch off the scanning "
            "of outgoing mail in the anti-virus product[, or use port {tls_port} with SSL/TLS]."
        ),
    ),
    "command-refused": Words(
        Tone.BAD,
        translatable("The command {verb} was refused: {reply}."),
        translatable("Update the program: it does not keep to the rules of mail (SMTP)."),
        anonymous=translatable("The command {verb} was refused[ (code {code})]."),
    ),
    "refused-for-now": Words(
        Tone.WAIT,
        translatable("The service refused {verb} for now: {reply}."),
        translatable("Try again later. If it stays so, tell the help desk[ the reference {reference}]."),
        anonymous=translatable("The service refused {verb} for now[ (code {code})]."),
    ),
    "refused": Words(
        Tone.BAD,
        translatable("The service refused {verb}: {reply}."),
        translatable(
            "Do what the reply says. If it does not help, tell the help desk[ the reference {reference}]."
        ),
        anonymous=translatable("The service refused {verb}[ (code {code})]."),
    ),
}
