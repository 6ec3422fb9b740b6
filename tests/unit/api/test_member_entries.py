"""Uploads of members, without a server."""

import csv
import io
import json
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api.member_entries import from_csv, from_json, variables_of
from edge.model.errors import CallerError
from edge.store.list_members import Entry

cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | cells,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(cells, inner, max_size=3),
    max_leaves=8,
)
entries = st.builds(
    Entry,
    st.from_regex(r"[a-z0-9+_-]{1,12}@[a-z]{1,9}\.example", fullmatch=True),
    st.none() | cells.map(str.strip).filter(bool),
    st.none() | st.dictionaries(cells, values, max_size=3),
    st.none() | st.booleans(),
)


@given(st.lists(entries, max_size=8), st.permutations(["address", "name", "vars", "subscribed"]))
def test_what_a_csv_writer_writes_is_read_back(said: list[Entry], columns: list[str]) -> None:
    """In any order of columns, with whatever has to be quoted."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(columns)
    for one in said:
        row = {
            "address": one.address,
            "name": one.name or "",
            "vars": "" if one.vars is None else json.dumps(one.vars),
            "subscribed": "" if one.subscribed is None else one.subscribed,
        }
        writer.writerow([row[column] for column in columns])
    assert from_csv(written.getvalue().encode(), None) == said


@given(st.lists(entries, max_size=8))
def test_what_is_said_in_json_is_read_back(said: list[Entry]) -> None:
    """Variables as an object and as text."""
    for text in (False, True):
        document = [
            {
                "address": one.address,
                "name": one.name,
                "vars": json.dumps(one.vars) if text and one.vars is not None else one.vars,
                "subscribed": one.subscribed,
            }
            for one in said
        ]
        assert from_json(document, None) == said


def refusal(read: Callable[[], object]) -> str:
    """What the caller is told; empty when nothing is wrong."""
    try:
        read()
    except CallerError as error:
        return str(error)
    return ""


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Never another error than the caller's, and always with the place."""
    refusal(lambda: from_csv(data, None))
    told = refusal(lambda: from_csv(b"address,name,vars\n" + data, None))
    assert told == "" or "line " in told


@given(values)
def test_any_json_is_read_or_refused(value: object) -> None:
    """As an upload and as one member's variables."""
    for document in (value, [value]):
        told = refusal(partial(from_json, document, None))
        assert told == "" or told.startswith("members")
    told = refusal(lambda: variables_of(value))
    assert told.startswith("vars") or isinstance(value, dict | str)


def test_the_default_is_for_those_that_do_not_say() -> None:
    """``subscribed`` of the request, below that of an entry."""
    said = [{"address": "a@b.example", "subscribed": "yes"}, "c@d.example"]
    assert [one.subscribed for one in from_json(said, False)] == [True, False]
    data = b"address,subscribed\na@b.example,ON\nc@d.example,\n"
    assert [one.subscribed for one in from_csv(data, False)] == [True, False]


@pytest.mark.parametrize("depth, good", [(31, True), (32, False), (900, False)])
def test_nesting_has_a_limit(depth: int, good: bool) -> None:
    """Some levels more than anybody needs, and far fewer than break a reader."""
    text = '{"a":' + "[" * depth + "]" * depth + "}"
    if good:
        variables_of(text)
    else:
        with pytest.raises(CallerError, match=r"^vars is"):
            variables_of(text)
