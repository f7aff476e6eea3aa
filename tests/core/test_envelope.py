from __future__ import annotations

import msgspec
import pytest

from sams.core.address import Mailbox
from sams.core.envelope import Body, Envelope, Notify, Recipient
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply


def test_never_is_not_the_same_as_no_wish() -> None:
    bob = Mailbox("bob", "example.net")
    assert Recipient(bob, Notify.NEVER) != Recipient(bob)
    assert not Notify.NEVER
    assert Notify.SUCCESS not in Notify.NEVER
    assert Notify.SUCCESS in Notify.SUCCESS | Notify.DELAY


def test_an_envelope_is_plain_seven_bit_ascii_unless_it_says_more() -> None:
    envelope = Envelope(None, ())
    assert (envelope.body, envelope.smtputf8, envelope.ret, envelope.envid, envelope.auth) == (
        Body.SEVEN_BIT,
        False,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "value",
    [Envelope(None, ()), Mailbox("a", "b"), Outcome(Result.DELIVERED, reply(250, "2.0.0", "Ok"), "", 0.0)],
)
def test_values_cannot_be_changed(value: msgspec.Struct) -> None:
    for name in value.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(value, name, None)
    hash(value)
