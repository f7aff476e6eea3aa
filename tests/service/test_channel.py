"""The channel between supervisor and worker."""

from __future__ import annotations

import threading

import pytest

from sams.service.channel import Channel, Word, parse_word


def test_words_arrive_whole_and_in_order() -> None:
    ours, theirs = Channel.pair()
    theirs.say(Word.READY)
    theirs.say(Word.FAILED, "no such file — fullchain.pem")
    received = [parse_word(message) for message in ours.receive() or ()]
    assert received == [(Word.READY, ""), (Word.FAILED, "no such file — fullchain.pem")]
    ours.close()
    theirs.close()


def test_a_message_larger_than_a_socket_buffer_is_put_together() -> None:
    ours, theirs = Channel.pair()
    message = bytes(range(256)) * 8_192
    sender = threading.Thread(target=ours.send, args=(message,))
    sender.start()
    received: list[bytes] = []
    while not received:
        received += theirs.receive() or []
    sender.join()
    assert received == [message]
    ours.close()
    theirs.close()


def test_the_death_of_the_other_end_is_seen() -> None:
    ours, theirs = Channel.pair()
    theirs.close()
    assert ours.receive() is None
    ours.close()


def test_what_is_no_word_is_refused() -> None:
    with pytest.raises(ValueError, match="hello"):
        parse_word(b"hello world")
