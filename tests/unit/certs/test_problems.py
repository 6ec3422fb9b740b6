"""What an authority says becomes an error that names who must act."""

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs import errors
from certs.problems import LONGEST_WAIT, URN, from_problem, from_status, retry_after


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("caa", errors.CustomerError),
        ("connection", errors.CustomerError),
        ("dns", errors.CustomerError),
        ("rejectedIdentifier", errors.CustomerError),
        ("externalAccountRequired", errors.OperatorError),
        ("userActionRequired", errors.OperatorError),
        ("unauthorized", errors.OperatorError),
        ("invalidProfile", errors.OperatorError),
        ("accountDoesNotExist", errors.AccountMissing),
        ("alreadyReplaced", errors.AlreadyReplaced),
        ("rateLimited", errors.RateLimited),
        ("serverInternal", errors.Unavailable),
        ("orderNotReady", errors.OrderGone),
        ("malformed", errors.AuthorityError),
        ("neverHeardOf", errors.AuthorityError),
    ],
)
def test_a_problem_type_decides_who_must_act(
    kind: str, expected: type[errors.CertificateError]
) -> None:
    """By type, never by text; the type and the text are kept."""
    error = from_problem({"type": URN + kind, "detail": "the text"}, status=400)
    assert type(error) is expected
    assert error.problem == URN + kind
    assert "the text" in str(error)


def test_unauthorized_in_a_challenge_is_the_hosts_answer() -> None:
    """The same type blames the account elsewhere, and the host inside an authorization."""
    problem = {"type": URN + "unauthorized", "detail": "got HTML"}
    assert isinstance(from_problem(problem, of_challenge=True), errors.CustomerError)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, errors.RateLimited),
        (500, errors.Unavailable),
        (503, errors.Unavailable),
        (404, errors.OrderGone),
        (403, errors.AuthorityError),
    ],
)
def test_an_unknown_type_is_judged_by_its_status(
    status: int, expected: type[errors.CertificateError]
) -> None:
    """Vendors' own problem types, and those without any."""
    error = from_problem({"type": "https://ca.example/odd"}, status=status, retry_after=7.0)
    assert type(error) is expected
    if status != 404:
        assert error.retry_after == 7.0


def test_an_answer_without_a_problem_is_judged_by_its_status() -> None:
    """A proxy's error page, shortened."""
    for status, expected in ((429, errors.RateLimited), (502, errors.Unavailable)):
        error = from_status(status, 3.0, "<html>" + "x" * 1000)
        assert type(error) is expected
        assert len(str(error)) < 300
    assert type(from_status(403, None, "")) is errors.BadAnswer


def test_subproblems_are_told() -> None:
    """RFC 8555 § 6.7.1: they name the identifier at fault."""
    error = from_problem(
        {
            "type": URN + "malformed",
            "detail": "some names are bad",
            "subproblems": [{"detail": "a.example is on a list"}, "nonsense", {}],
        }
    )
    assert "a.example is on a list" in str(error)


@given(
    st.dictionaries(
        st.sampled_from(["type", "detail", "title", "subproblems", "status"]),
        st.none() | st.text() | st.integers() | st.lists(st.text() | st.none()),
    )
)
def test_any_problem_document_becomes_an_error(problem: dict[str, object]) -> None:
    """Nothing an authority sends breaks the reader, and no text is endless."""
    error = from_problem(problem)
    assert len(str(error)) <= errors.MAX_TEXT
    for text in (str(error), error.problem or ""):
        assert text.isprintable()


def test_retry_after_is_seconds_or_a_date() -> None:
    """RFC 9110 § 10.2.3; dates are compared with the clock that is handed in."""
    now = 1_800_000_000.0
    assert retry_after("120", now) == 120.0
    assert retry_after(" 0 ", now) == 0.0
    assert retry_after(email.utils.formatdate(now + 90, usegmt=True), now) == 90.0
    assert retry_after(email.utils.formatdate(now + 90).replace("GMT", "-0000"), now) == 90.0
    assert retry_after(email.utils.formatdate(now - 90, usegmt=True), now) == 0.0
    assert retry_after("9" * 400, now) == LONGEST_WAIT
    assert retry_after(None, now) is None
    for odd in ("", "soon", "-5", "1.5", "٣"):
        assert retry_after(odd, now) is None


@given(st.text())
def test_any_retry_after_is_a_sane_number_or_nothing(header: str) -> None:
    """Between nothing and a month."""
    wait = retry_after(header, time.time())
    assert wait is None or 0 <= wait <= LONGEST_WAIT


def test_every_error_says_who_must_act() -> None:
    """One of the four, all the way down the tree."""

    def below(root: type[errors.CertificateError]) -> set[type[errors.CertificateError]]:
        return {root}.union(*(below(one) for one in root.__subclasses__()))

    assert {one.who for one in below(errors.CertificateError)} == {
        *("customer", "operator", "authority", "nobody"),
    }
