"""What a member can do about a failure, by its enhanced status code (RFC 3463 and the IANA registry of its codes)."""

from __future__ import annotations

from sams.core.reply import EnhancedStatus

_BY_DETAIL = {
    (1, 0): "There is something wrong with this address. Check how it is written and send the message again.",
    (1, 1): "There is no mailbox of this name. Check the spelling, or ask the person for the right address.",
    (1, 2): "There is no mail server for what stands behind the @. Check the spelling of that part.",
    (1, 3): "This is not a valid address. Check how it is written.",
    (1, 6): "This person's mailbox has moved. Ask for the new address.",
    (1, 8): "The other server does not accept your sender address. Tell your help desk.",
    (1, 10): "This domain accepts no mail at all. Ask the person for another address.",
    (2, 0): "There is a problem with this person's mailbox. Reach the person in another way.",
    (2, 1): "This mailbox is switched off or accepts no mail. Reach the person in another way.",
    (2, 2): "This person's mailbox is full. Try again in some days, or reach the person in another way.",
    (2, 3): "The message is larger than this mailbox accepts. Send a smaller one, or a link to the file.",
    (2, 4): "This is a mailing list that could not pass the message on. Write to the list's owner.",
    (3, 1): "The other server's storage is full. Try again later.",
    (3, 2): "The other server takes no mail at the moment. Try again later.",
    (3, 4): "The message is larger than the other server accepts. Send a smaller one, or a link to the file.",
    (4, 1): "The other server did not answer. Check what stands behind the @, or try again later.",
    (4, 4): "No way to the other server was found. Check what stands behind the @.",
    (4, 6): "The message went in a circle between servers. Tell your help desk.",
    (4, 7): "We tried for a long time and could not deliver it. Check the address, or try again later.",
    (5, 3): "The message has too many recipients. Send it to fewer people at once.",
    (6, 3): "The other server does not take messages of this form. Send it without signature or encryption, "
    "or with attachments only.",
    (6, 7): "The other server does not take addresses or names that are not ASCII. Use another address.",
    (6, 9): "The message could not be converted for the other server. Send it as plain text.",
    (6, 11): "The message has characters that may not be sent. Write it anew and send it again.",
    (7, 1): "The other server refused the message by its rules. What it says may tell why; "
    "if not, ask the person to allow your address, or tell your help desk.",
    (7, 2): "You may not write to this mailing list. Ask the list's owner.",
    (7, 8): "Our server could not sign in to the next one. Tell your help desk.",
    (7, 20): "The other server found no valid signature of our domain. Tell your help desk.",
    (7, 23): "The other server found that our domain does not allow this way. Tell your help desk.",
    (7, 25): "The other server does not know our server's name. Tell your help desk.",
    (7, 26): "The other server could not verify your sender address. Tell your help desk.",
    (7, 27): "Your sender address cannot receive mail. Choose another one, or tell your help desk.",
}
_BY_SUBJECT = {
    1: "There is something wrong with this address. Check how it is written and send the message again.",
    2: "There is a problem with this person's mailbox. Reach the person in another way.",
    3: "The other server has a problem. Try again later.",
    4: "The message could not be carried to the other server. Try again later.",
    5: "The servers did not understand each other. Tell your help desk.",
    6: "The other server does not take messages of this form. Send it as plain text.",
    7: "The other server refused the message by its rules. What it says may tell why; if not, tell your help desk.",
}
_OTHERWISE = "What the server says may tell why. If it does not help you, show this report to your help desk."


def advice(status: EnhancedStatus) -> str:
    """One or two plain sentences on what to do. Subject and detail decide, the class does not."""
    exact = _BY_DETAIL.get((status.subject, status.detail))
    return exact or _BY_SUBJECT.get(status.subject, _OTHERWISE)
