"""Encoded words, as programs show them."""

from __future__ import annotations

import pytest

from sams.message.words import decode_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?J=C3=B6rg_S.?=", "Jörg S."),
        ("=?UTF-8?B?SsO2cmc=?=", "Jörg"),
        ("=?utf-8?b?SsO2cmc?=", "Jörg"),
        ("=?iso-8859-1?Q?J=F6rg?= and =?utf-8?q?x?=", "Jörg and x"),
        ("=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?utf-8*?q?a?=", "a"),
        ("=?utf-8?q?=ff?=", "\ufffd"),
        ("=?rot13?q?a?=", "=?rot13?q?a?="),
        ("=?idna?q?a?=", "=?idna?q?a?="),
        ("=?utf-99?q?a?=", "=?utf-99?q?a?="),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?", "=?"),
    ],
)
def test_words_are_decoded_and_what_is_no_word_is_left(text: str, shown: str) -> None:
    assert decode_words(text) == shown
