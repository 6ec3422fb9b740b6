"""The expressions of filters: what they mean, and where they are wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.expression import (
    DEEPEST,
    LONGEST,
    MOST_TERMS,
    All,
    Either,
    Mistake,
    Node,
    Not,
    Range,
    Term,
    parse,
)

A, B, C = Term("a"), Term("b"), Term("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", A),
        ("  a\t", A),
        ("a b", All((A, B))),
        ("a AND b", All((A, B))),
        ("a OR b", Either((A, B))),
        ("a OR b c", Either((A, All((B, C))))),
        ("a b OR c", Either((All((A, B)), C))),
        ("(a OR b) c", All((Either((A, B)), C))),
        ("(a OR b)AND(c)", All((Either((A, B)), C))),
        ("NOT a", Not(A)),
        ("NOT a b", All((Not(A), B))),
        ("a AND NOT (b OR c)", All((A, Not(Either((B, C)))))),
        ("NOT NOT a", Not(Not(A))),
        ('"a b"', Term("a b")),
        ('"OR"', Term("OR")),
        (r'"a \"b\" \\"', Term('a "b" \\')),
        ("a or b", All((A, Term("or"), B))),
        ("ORB NOTE ANDY", All((Term("ORB"), Term("NOTE"), Term("ANDY")))),
        ("<x@y.example>", Term("<x@y.example>")),
        (">5", Term(">5")),
        ("((a))", A),
    ],
)
def test_what_an_expression_means(text: str, tree: Node) -> None:
    """NOT before AND before OR; words beside each other are joined by AND."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("10", Range("=", 10)),
        (">10000", Range(">", 10000)),
        ("> 10000", Range(">", 10000)),
        (">=1 <=2", All((Range(">=", 1), Range("<=", 2)))),
        (">1<2", None),
        ("<5 OR >7", Either((Range("<", 5), Range(">", 7)))),
        ("NOT <5", Not(Range("<", 5))),
        ("big", None),
        ("<", None),
        ("-5", None),
        ("٣", None),
        ("9" * 19, None),
    ],
)
def test_ranges_of_numbers(text: str, tree: Node | None) -> None:
    """None is a mistake."""
    if tree is None:
        with pytest.raises(Mistake, match="is no number or range like >10000 at character 1"):
            parse(text, numbers=True)
    else:
        assert parse(text, numbers=True) == tree


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("", "a word is missing", 1),
        ("a OR", "a word is missing", 5),
        ("a AND OR b", "a word is missing before 'OR'", 7),
        ("OR a", "a word is missing before 'OR'", 1),
        ("NOT", "a word is missing", 4),
        ("a (b", "a \\) is missing for the \\(", 3),
        ("a)", "nothing before this \\)", 2),
        ("()", "nothing before this \\)", 2),
        ('a "b', 'a phrase has no closing "', 3),
        ('a ""', "an empty phrase", 3),
        ("(" * 100, "nested more than", DEEPEST + 1),
        ("NOT " * 100 + "a", "nested more than", 4 * DEEPEST + 1),
        ("a " * (MOST_TERMS + 1), "more than 100 words", 2 * MOST_TERMS + 1),
        ("a" * (LONGEST + 1), "more than 1000 characters", LONGEST + 1),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, problem: str, position: int) -> None:
    """The number of the character, from 1."""
    with pytest.raises(Mistake, match=problem) as caught:
        parse(text)
    assert caught.value.position == position
    assert str(caught.value).endswith(f"at character {position}")


@given(st.text(st.sampled_from('ab()"\\ \tANDORNOT<>=1'), max_size=60), st.booleans())
def test_whatever_is_written_is_a_tree_or_a_mistake(text: str, numbers: bool) -> None:
    """No other error, and a position inside the text or right behind it."""
    position = 1
    try:
        parse(text, numbers=numbers)
    except Mistake as mistake:
        position = mistake.position
    assert 1 <= position <= len(text) + 1
