"""What became of messages, what the whole story comes to, and what happened beside connections."""

from __future__ import annotations

from collections.abc import Mapping

from sams.activity.explaining.stages import Tone
from sams.activity.explaining.texts.interface import Words
from sams.core.translatable import translatable

DELIVERING: Mapping[str, Words] = {
    "delivered": Words(
        Tone.GOOD,
        translatable(
            "Delivered to the next mail server for {first}[ and others, recipients: {many}]: {reply}."
        ),
        anonymous=translatable("Delivered to the next mail server (recipients: {recipients})."),
    ),
    "deferred": Words(
        Tone.WAIT,
        translatable(
            "The next mail server did not take it yet for {first}[ and others, recipients: {many}]: {reply}."
        ),
        translatable("Wait: the service tries again by itself, for days if it must, and tells the sender."),
        anonymous=translatable("The next mail server did not take it yet (recipients: {recipients})."),
    ),
    "deferred-not-reached": Words(
        Tone.WAIT,
        translatable(
            "The next mail server could not be reached for {first}[ and others, recipients: {many}]: {reply}."
        ),
        translatable("Wait: the service tries again by itself, for days if it must, and tells the sender."),
        anonymous=translatable("The next mail server could not be reached (recipients: {recipients})."),
    ),
    "deferred-tls": Words(
        Tone.WAIT,
        translatable(
            "No safe encryption towards the next mail server for {first}[ and others, recipients: {many}]: {reply}."
        ),
        translatable("Wait: the service tries again by itself. If it stays so, tell the help desk."),
        anonymous=translatable("No safe encryption towards the next mail server (recipients: {recipients})."),
    ),
    "delivery-refused": Words(
        Tone.BAD,
        translatable(
            "The next mail server refused it for {first}[ and others, recipients: {many}]: {reply}."
        ),
        translatable(
            "Read what the server said: often the address is wrong or the mailbox is full. Correct the address and "
            "send it again; a report with the same words was sent to the sender."
        ),
        anonymous=translatable("The next mail server refused it (recipients: {recipients})."),
    ),
    "report-failed": Words(
        Tone.NOTE,
        translatable("A report was sent to the sender that says why the message could not be delivered."),
    ),
    "report-delayed": Words(
        Tone.NOTE,
        translatable("A report was sent to the sender that the message is late and still on its way."),
    ),
    "report-delivered": Words(
        Tone.NOTE, translatable("A report was sent to the sender that the message was delivered.")
    ),
    "report-other": Words(Tone.NOTE, translatable("A report about the message was sent to the sender.")),
    "waiting": Words(
        Tone.WAIT,
        translatable("The message[ {message}] is on its way: no mail server has been asked yet to take it."),
        translatable(
            "Wait a minute. If it stays so, the help desk can look at the queue (`sams queue list`)."
        ),
        anonymous=translatable("A message is on its way: no mail server has been asked yet to take it."),
    ),
    "waiting-again": Words(
        Tone.WAIT,
        translatable("The message[ {message}] waits for the next try (recipients that wait: {recipients})."),
        translatable("Wait: the service tries again by itself, for days if it must, and tells the sender."),
        anonymous=translatable("A message waits for the next try (recipients that wait: {recipients})."),
    ),
    "outcome-unknown": Words(
        Tone.NOTE,
        translatable("What became of the message[ {message}] is no longer known."),
        anonymous=translatable("What became of a message is no longer known."),
    ),
    "queue-hold": Words(
        Tone.WAIT,
        translatable("An administrator holds the message[ {message}] back."),
        translatable("Ask the help desk why it is held back."),
        anonymous=translatable("An administrator holds a message back."),
    ),
    "queue-release": Words(Tone.NOTE, translatable("An administrator let the message go on.")),
    "queue-retry": Words(Tone.NOTE, translatable("An administrator had the message tried again at once.")),
    "queue-delete": Words(
        Tone.BAD,
        translatable("An administrator deleted the message[ {message}]; it is not delivered."),
        translatable("Ask the help desk why it was deleted."),
        anonymous=translatable("An administrator deleted a message; it is not delivered."),
    ),
    "queue-other": Words(Tone.NOTE, translatable("An administrator changed the queue: {what}.")),
    # --- what the whole story comes to, where no stage says it
    "verdict-delivered": Words(
        Tone.GOOD,
        translatable("All is well: what was sent was accepted, and the next mail server has taken it."),
        translatable("If it did not arrive, look into the recipient's junk folder."),
    ),
    "verdict-on-its-way": Words(
        Tone.WAIT,
        translatable(
            "The message was accepted and is on its way; the next mail server has not taken it yet."
        ),
        translatable("Wait: the service tries again by itself, for days if it must, and tells the sender."),
    ),
    "verdict-accepted": Words(
        Tone.GOOD, translatable("The message was accepted; what became of it is no longer known.")
    ),
    "verdict-going-on": Words(
        Tone.WAIT, translatable("The connection is still open; nothing went wrong so far.")
    ),
    "verdict-nothing": Words(Tone.NOTE, translatable("Nothing went wrong here, and nothing was sent.")),
    # --- beside connections, for administrators
    "alarm": Words(Tone.NOTE, translatable("The service raised an alarm about this account.")),
    "service-event": Words(Tone.NOTE, translatable("Something happened to the service itself.")),
}
