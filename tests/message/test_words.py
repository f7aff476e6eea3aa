"""Encoded words, as programs show them."""

from __future__ import annotations

import codecs
import encodings

import pytest

from sams.message.words import _CHARSETS, decode_words


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
        ("=?rot13?q?a?=", "a"),
        ("=?idna?q?a?=", "a"),
        ("=?utf-99?q?a?=", "a"),
        ("=?KOI8-U?q?=C1?=", "\u0430"),
        ("=?Windows-1252?q?=80?=", "€"),
        ("=?ISO_8859-1:1987?q?=E9?=", "é"),
        ("=?cp0937?q?a?=", "a"),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?", "=?"),
    ],
)
def test_words_are_decoded_and_what_is_no_word_is_left(text: str, shown: str) -> None:
    assert decode_words(text) == shown


def test_a_charset_that_nobody_knows_leaves_no_trace() -> None:
    """Whatever name reaches the codecs is tried as a module, and its failure is kept for ever."""
    before = len(encodings._cache)
    for number in range(50):
        decode_words(f"=?iso-{number:x}-nobodys?q?a?=")
    assert len(encodings._cache) == before


def test_every_charset_is_one_of_text() -> None:
    for codec in set(_CHARSETS.values()):
        assert codecs.lookup(codec)._is_text_encoding, codec
