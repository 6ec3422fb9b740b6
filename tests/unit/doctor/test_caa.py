"""CAA: RFC 8659 and 8657, by their examples and by properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.doctor import caa
from edge.doctor.facts import Answer, Status
from edge.doctor.wanted import Issuer

HOST = "email.mg.example.com"
OURS = Issuer(("letsencrypt.org",), "https://ca.test/acct/7")


def _answers(**records: list[str]) -> list[Answer]:
    """Found where given by the first label, empty elsewhere; in climbing order."""
    return [
        Answer(name, "CAA", Status.FOUND, tuple(found), owner=name)
        if (found := records.get(name.split(".")[0]))
        else Answer(name, "CAA", Status.EMPTY)
        for name in caa.climb(HOST)
    ]


def _codes(*values: str, issuer: Issuer = OURS) -> list[str]:
    return [one.code for one in caa.check(HOST, _answers(mg=list(values)), issuer, https=True)]


def test_the_tree_is_climbed_to_the_top_but_not_to_the_root() -> None:
    """RFC 8659 § 3: the host, then each name above it."""
    assert list(caa.climb("a.b.c")) == ["a.b.c", "b.c", "c"]
    assert caa.check(HOST, _answers(), OURS, https=True) == []


def test_the_nearest_records_count_alone() -> None:
    """What stands further up is not looked at; who has it is named."""
    near = _answers(mg=["0 issue letsencrypt.org"], example=["0 issue ;"])
    assert caa.check(HOST, near, OURS, https=True) == []
    far = _answers(mg=["0 issue ca.example.net"], com=["0 issue letsencrypt.org"])
    (finding,) = caa.check(HOST, far, OURS, https=True)
    assert (finding.code, finding.about, finding.severity.value) == (
        *("caa-forbids", "mg.example.com", "error"),
    )
    assert "ca.example.net" in finding.seen
    assert 'mg.example.com. CAA 0 issue "letsencrypt.org"' in finding.mend
    (finding,) = caa.check(HOST, far, OURS, https=False)
    assert finding.severity.value == "warning"


def test_records_behind_an_alias_belong_to_the_name_that_has_them() -> None:
    """The host is a CNAME: what can be mended is at the name it leads to."""
    behind = Answer(HOST, "CAA", Status.FOUND, ("0 issue ;",), owner="edge.example.org")
    (finding,) = caa.check(HOST, [behind], OURS, https=True)
    assert finding.about == "edge.example.org"


@pytest.mark.parametrize(
    "values, codes",
    [
        (("0 issue letsencrypt.org",), []),
        (("0 ISSUE LetsEncrypt.ORG",), []),
        (("0 issue ca.test", "0 issue  letsencrypt.org ; "), []),
        (("0 issue ;",), ["caa-forbids"]),
        (("0 issue ",), ["caa-forbids"]),
        (("0 issue %%%%%",), ["caa-forbids"]),
        (("0 issue letsencrypt.org; validationmethods=dns-01",), ["caa-forbids"]),
        (("0 issue letsencrypt.org; validationmethods=dns-01,http-01",), []),
        (("0 issue letsencrypt.org; accounturi=https://ca.test/acct/7",), []),
        (("0 issue letsencrypt.org; accounturi=https://ca.test/acct/8",), ["caa-forbids"]),
        (
            ("0 issue letsencrypt.org; accounturi=https://ca.test/acct/7; accounturi=x",),
            ["caa-forbids"],
        ),
        (("0 issue letsencrypt.org; nonsense",), ["caa-forbids"]),
        (("0 issue letsencrypt.org; unknown=1",), []),
        (("0 issuewild ;",), []),
        (("0 issuewild letsencrypt.org", "0 issue ca.test"), ["caa-forbids"]),
        (("0 iodef mailto:a@example.com",), []),
        (("128 tbs unknown",), ["caa-critical"]),
        (("0 tbs unknown",), []),
        (("128 issue letsencrypt.org",), []),
    ],
)
def test_what_lets_us_issue(values: tuple[str, ...], codes: list[str]) -> None:
    """Issuers, wildcards, malformed values, parameters, critical flags."""
    assert _codes(*values) == codes


@pytest.mark.parametrize(
    "values, codes",
    [
        ((), []),
        (("0 issue ca.example.net",), ["caa-unnamed"]),
        (("0 issue ;",), ["caa-forbids"]),
        (("0 issue ;", "0 issue ca.example.net"), ["caa-unnamed"]),
        (("0 issue a..b",), ["caa-forbids"]),
        (("128 odd x",), ["caa-critical"]),
    ],
)
def test_an_authority_that_says_no_name_is_told_from_one_that_is_forbidden(
    values: tuple[str, ...], codes: list[str]
) -> None:
    """RFC 8555 lets its directory leave ``caaIdentities`` out: only nobody is surely not it."""
    assert _codes(*values, issuer=Issuer(())) == codes


def test_an_authority_with_several_names_needs_one_of_them() -> None:
    """Sectigo has a handful; the first is the one that is proposed."""
    several = Issuer(("first.example", "second.example"))
    assert _codes("0 issue second.example", issuer=several) == []
    answers = _answers(mg=["0 issue letsencrypt.org"])
    (finding,) = caa.check(HOST, answers, several, https=True)
    assert (finding.code, 'issue "first.example"' in finding.expected) == ("caa-forbids", True)


def test_an_account_that_is_not_known_is_a_note() -> None:
    """Nobody can say whether it is ours: nothing is wrong, but it is told."""
    value = "0 issue letsencrypt.org; accounturi=https://ca.test/acct/8"
    assert _codes(value, issuer=Issuer()) == ["caa-account"]


@pytest.mark.parametrize(
    "status, code", [(Status.FAILED, "caa-unanswered"), (Status.BOGUS, "dnssec-bogus")]
)
def test_a_question_without_answer_forbids(status: Status, code: str) -> None:
    """An authority must not issue if it cannot look; what is above does not count then."""
    answers = [Answer(HOST, "CAA", status), Answer("com", "CAA", Status.EMPTY)]
    assert [one.code for one in caa.check(HOST, answers, OURS, https=True)] == [code]


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=4))
def test_nothing_in_a_record_raises_and_ours_beside_it_permits(values: list[str]) -> None:
    """Any text is judged; a plain record for us beside others that are not critical permits."""
    caa.check(HOST, _answers(mg=values), OURS, https=True)
    beside = [f"0 issue {value}" for value in values] + ["0 issue letsencrypt.org"]
    codes = {one.code for one in caa.check(HOST, _answers(mg=beside), OURS, https=True)}
    assert codes <= {"caa-account"}


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_other_issuer_lets_us(value: str) -> None:
    """Only a value whose first part is our authority's name permits."""
    found = caa.permission(value)
    if found is not None and caa.permits(found, OURS)[0]:
        assert value.split(";")[0].strip(" \t").lower() == "letsencrypt.org"
