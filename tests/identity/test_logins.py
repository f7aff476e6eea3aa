from __future__ import annotations

import unicodedata
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from sams.identity.logins import (
    LoginForms,
    UnpreparableError,
    is_too_long,
    map_login,
    map_password,
    prepare_login,
    prepare_password,
)

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)


@pytest.mark.parametrize(
    ("written", "prepared"),
    [
        ("Alice", "alice"),
        ("alice@Example.ORG", "alice@example.org"),
        ("JÜRGEN", "jürgen"),
        ("ju\u0308rgen", "jürgen"),
        ("\uff41lice", "alice"),
        ("Σίσυφος", "σίσυφος"),
    ],
)
def test_spellings_of_one_login_are_prepared_alike(written: str, prepared: str) -> None:
    assert prepare_login(written) == prepared


@pytest.mark.parametrize(
    "written", ["", "a b", "a\0b", "a\u200bb", "ﬁsh", "☂", "x" * 255, "ü" * 200, "\ud800"]
)
def test_what_is_no_login_is_refused_without_being_shown(written: str) -> None:
    with pytest.raises(UnpreparableError) as caught:
        prepare_login(written)
    assert not written.strip() or written not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(PRINTABLE)
def test_the_short_cut_for_ascii_gives_what_the_profiles_give(text: str) -> None:
    for name, prepare in (("UsernameCaseMapped", prepare_login), ("OpaqueString", prepare_password)):
        try:
            expected = get_profile(name).enforce(text)
        except UnicodeError:
            with pytest.raises(UnpreparableError):
                prepare(text)
        else:
            assert prepare(text) == expected


@given(st.text(max_size=80))
def test_preparing_twice_changes_nothing_more(text: str) -> None:
    try:
        once = prepare_login(text)
    except UnpreparableError:
        return
    assert prepare_login(once) == once


@given(
    st.text(max_size=80) | st.text("aÄ\u0308ßΣ\u03c3ς\uff21\uff9e\u3002\u1f80\u05d0\u0661İ@.", max_size=20)
)
def test_a_login_is_mapped_to_its_prepared_form_and_what_is_none_to_nobodys(text: str) -> None:
    try:
        prepared = prepare_login(text)
    except UnpreparableError:
        assert not _may_be_stored(text)
    else:
        assert map_login(text) == prepared


def _may_be_stored(text: str) -> bool:
    """Whether a text is mapped to what may be an account's login."""
    try:
        mapped = map_login(text)
        return prepare_login(mapped) == mapped
    except UnpreparableError:
        return False


@pytest.mark.parametrize("written", ["", "a b", "a\0b", "x" * 255, "ü" * 200])
def test_what_is_too_long_or_no_login_at_a_glance_is_not_mapped(written: str) -> None:
    with pytest.raises(UnpreparableError):
        map_login(written)


@pytest.mark.parametrize("prepare", [map_login, prepare_login])
def test_marks_without_end_are_refused_before_they_are_sorted(
    prepare: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare("a" + "\u0316" * 30) == "a" + "\u0316" * 30
    only = SimpleNamespace(combining=unicodedata.combining)
    monkeypatch.setattr("sams.identity.logins.unicodedata", only)
    with pytest.raises(UnpreparableError):
        prepare("a" + "\u0316\u0301" * 16)


@given(st.text(min_size=1, max_size=40) | st.text("e\u0301 \u00a0\u3000\u1100\u1161ﬁ\u212b", min_size=1))
def test_a_password_is_mapped_to_its_prepared_form_and_what_is_none_to_nobodys(text: str) -> None:
    mapped = map_password(text)
    try:
        prepared = prepare_password(text)
    except UnpreparableError:
        with pytest.raises(UnpreparableError):
            prepare_password(mapped)
    else:
        assert mapped == prepared


@pytest.mark.parametrize(
    ("written", "prepared"),
    [("pass word", "pass word"), ("pass\u00a0word", "pass word"), ("Ångström", "Ångström"), ("  x", "  x")],
)
def test_passwords_keep_case_and_spaces(written: str, prepared: str) -> None:
    assert prepare_password(written) == prepared


@pytest.mark.parametrize("written", ["", "a\0b", "tab\tbed", "x" * 1025, "ü" * 600])
def test_what_is_no_password_is_refused_without_being_shown(written: str) -> None:
    with pytest.raises(UnpreparableError) as caught:
        prepare_password(written)
    assert not written or written not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [("", "^the password is empty$"), ("tab\tbed", "^the password has a control character")],
)
def test_what_is_no_password_is_refused_for_what_it_is(written: str, told: str) -> None:
    with pytest.raises(UnpreparableError, match=told):
        prepare_password(written)


@pytest.mark.parametrize(("octets", "too_long"), [(1024, False), (1025, True)])
def test_a_password_of_more_than_a_kilobyte_is_too_long(octets: int, too_long: bool) -> None:
    assert is_too_long("x" * octets) is too_long
    assert is_too_long("ü" * (octets // 2) + "x" * (octets % 2)) is too_long


@pytest.mark.parametrize(
    ("login", "bare"),
    [
        ("alice", "alice"),
        ("alice@example.org", "alice"),
        ("alice@other.org", "alice@other.org"),
        ("alice@xn--bcher-kva.example", "alice"),
        ("alice@bücher.example", "alice"),
        ("a@b@example.org", "a@b"),
        ("@example.org", "@example.org"),
        ("alice@ü..", "alice@ü.."),
    ],
)
def test_one_of_the_accounts_domains_behind_a_login_changes_nothing(login: str, bare: str) -> None:
    assert LoginForms(["Example.org", "bücher.example"]).bare(login) == bare


@pytest.mark.parametrize(
    "domain", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "fußball.bücher.example"]
)
def test_an_accounts_domain_is_known_in_each_of_its_forms(domain: str) -> None:
    forms = LoginForms([domain])
    for written in (
        domain,
        domain.replace("b", "B"),
        domain.replace("ü", "u\u0308"),
        domain.replace("b", "\uff42"),
    ):
        assert forms.bare(map_login(f"alice@{written}")) == "alice"
    mixed = domain.replace("bücher", "xn--bcher-kva")
    assert forms.bare(map_login(f"alice@{mixed}")) == "alice"
    assert forms.bare(f"alice@x.{domain}") == f"alice@x.{domain}"


def test_a_domain_that_claims_to_be_international_and_is_not_harms_nothing() -> None:
    assert LoginForms(["xn--.example", "xn--zzzzzz99999.example"]).bare("alice@xn--.example") == "alice"


def test_a_login_is_taken_apart_once_and_what_is_none_is_refused_each_time() -> None:
    forms = LoginForms(["example.org"])
    assert forms.read("Alice@Example.ORG") == forms.parse("alice@example.org")
    assert forms.read("Alice@Example.ORG") is forms.read("Alice@Example.ORG")
    for _ in range(2):
        with pytest.raises(UnpreparableError):
            forms.read("al ice")


def test_no_idna_is_computed_for_who_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = LoginForms(["bücher.example"])
    monkeypatch.setattr("sams.core.address.idna", None)
    monkeypatch.setattr("sams.identity.logins.idna", None)
    login = map_login("x@" + ".".join(["é"] * 83))
    assert forms.bare(login) == login


FORMS = LoginForms(["example.org", "bücher.example"], ["CORP", "Campus"])


@pytest.mark.parametrize(
    ("written", "typed", "bare", "address", "device"),
    [
        ("alice", "alice", "alice", "alice@example.org", ""),
        ("Alice@Example.org", "alice@example.org", "alice", "alice@example.org", ""),
        ("alice@bücher.example", "alice@bücher.example", "alice", "alice@bücher.example", ""),
        ("alice@gmail.example", "alice@gmail.example", "alice@gmail.example", "alice@gmail.example", ""),
        ("CORP\\alice", "alice", "alice", "alice@example.org", ""),
        ("campus\\Alice@example.org", "alice@example.org", "alice", "alice@example.org", ""),
        ("EXAMPLE\\alice", "alice", "alice", "alice@example.org", ""),
        ("OTHER\\alice", "other\\alice", "other\\alice", "other\\alice@example.org", ""),
        ("CORP\\", "corp\\", "corp\\", "corp\\@example.org", ""),
        ("alice+news", "alice+news", "alice+news", "alice+news@example.org", ""),
        ("alice/phone", "alice/phone", "alice", "alice@example.org", "phone"),
        ("CORP\\alice/phone@example.org", "alice/phone@example.org", "alice", "alice@example.org", "phone"),
        ("/phone", "/phone", "/phone", "/phone@example.org", ""),
    ],
)
def test_a_login_has_all_of_its_forms_however_it_is_typed(
    written: str, typed: str, bare: str, address: str, device: str
) -> None:
    login = FORMS.parse(map_login(written))
    assert (login.typed, login.bare, login.address, login.device) == (typed, bare, address, device)
