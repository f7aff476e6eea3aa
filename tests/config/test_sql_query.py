from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sams.config.sql_query import Dialect, Parameter, QueryError, read_query

USER = Parameter("user")
BOTH: tuple[Dialect, Dialect] = ("postgresql", "sqlite")


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SELECT 1 WHERE a = %(user)s", ("SELECT 1 WHERE a = ", USER)),
        ("SELECT %(user)s, %(domain)s;  ", ("SELECT ", USER, ", ", Parameter("domain"))),
        ("a LIKE '%%x' OR %(user)s", ("a LIKE ", "'%x'", " OR ", USER)),
        ("a %% 2 = %(user)s", ("a ", "%", " 2 = ", USER)),
        ("a = 'it''s ;' -- %(nobody)s ' ;\nOR %(user)s", ("a = ", "'it''s ;'", " ", " ", "\nOR ", USER)),
        ('"a;--" = %(user)s /* ; %x */', ('"a;--"', " = ", USER, " ", " ")),
        ("%(user)s; -- done\n", (USER, " ")),
    ],
)
def test_what_is_text_and_what_a_parameter_is_told_apart(
    dialect: Dialect, text: str, parts: tuple[object, ...]
) -> None:
    assert read_query(text, dialect) == parts


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("postgresql", "SELECT a::text, b[1], c ? 'd', e @> f FROM t WHERE g = %(user)s"),
        ("postgresql", r"SELECT E'it\'s ;' WHERE a = %(user)s"),
        ("postgresql", "SELECT $$ ' ; $1 $$, $tag$ $$ ; $tag$ WHERE a = %(user)s"),
        ("sqlite", "SELECT [a;'b], `c?` FROM t WHERE d = %(user)s"),
    ],
)
def test_what_a_database_has_of_its_own_is_left_as_it_is(dialect: Dialect, text: str) -> None:
    parts = read_query(text, dialect)
    assert "".join(part for part in parts if isinstance(part, str)) + "%(user)s" == text


@pytest.mark.parametrize(
    ("dialect", "text", "told"),
    [
        (None, "SELECT 1", "no parameter, so that everybody"),
        (None, "SELECT '%(user)s'", "without quotes"),
        (None, "SELECT %(password)s, %(user)s", "%(password)s is no parameter"),
        (None, "SELECT %s, %(user)s", "%s is no parameter"),
        (None, "SELECT 5 % 3, %(user)s", "% is no parameter"),
        (None, "SELECT %(user)d", "is no parameter"),
        (None, "SELECT %(user)s; DELETE FROM people", "only one statement"),
        (None, "SELECT %(user)s; ;", "only one statement"),
        (None, "SELECT %(user)s; 'x'", "only one statement"),
        (None, "SELECT %(user)s WHERE a = 'b", "never closed"),
        (None, "SELECT %(user)s /* open", "never closed"),
        (None, "SELECT %(user)s /* a /* b */ */", "comment within a comment"),
        ("postgresql", "SELECT $1, %(user)s", "$1 is no parameter"),
        ("sqlite", "SELECT ?, %(user)s", "? is no parameter"),
        ("sqlite", "SELECT ?1, %(user)s", "?1 is no parameter"),
        ("sqlite", "SELECT :user", ":user is no parameter"),
        ("sqlite", "SELECT @user, %(user)s", "@user is no parameter"),
        ("sqlite", "SELECT $user, %(user)s", "$user is no parameter"),
        ("sqlite", "SELECT [open, %(user)s", "never closed"),
    ],
)
def test_what_cannot_be_bound_is_refused_with_what_to_write(
    dialect: Dialect | None, text: str, told: str
) -> None:
    for one in [dialect] if dialect else BOTH:
        with pytest.raises(QueryError) as refused:
            read_query(text, one)
        assert told in str(refused.value)


@given(text=st.text(alphabet="%()sur'\"-/*;$?:[]` \nEea1", max_size=60), dialect=st.sampled_from(BOTH))
def test_any_text_is_read_or_refused(text: str, dialect: Dialect) -> None:
    try:
        parts = read_query(text + "\n%(user)s", dialect)
    except QueryError:
        return
    assert parts[-1] == USER or USER in parts
