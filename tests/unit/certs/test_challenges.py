"""HTTP-01 answers: token and thumbprint, and an echo of nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.challenges import PREFIX, TOKEN, answer

TOKEN_OF_RFC = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
THUMBPRINT = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"


def test_the_answer_is_the_key_authorization() -> None:
    """RFC 8555 § 8.3: token, dot, thumbprint."""
    assert answer(PREFIX + TOKEN_OF_RFC, THUMBPRINT) == f"{TOKEN_OF_RFC}.{THUMBPRINT}".encode()


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", PREFIX, "/.well-known/acme-challenge", PREFIX + "short"),
        *(PREFIX + "<script>alert(1)</script>", PREFIX + "../../etc/passwd_passwd"),
        *(
            PREFIX + TOKEN_OF_RFC + "/x",
            PREFIX + TOKEN_OF_RFC + "?x=1",
            PREFIX + TOKEN_OF_RFC + "\n",
        ),
        *("/x" + PREFIX + TOKEN_OF_RFC, PREFIX.upper() + TOKEN_OF_RFC, PREFIX + "a" * 129),
        *(PREFIX + TOKEN_OF_RFC + "é", PREFIX + TOKEN_OF_RFC[:15], PREFIX + "%41" * 10),
    ],
)
def test_everything_else_has_no_answer(path: str) -> None:
    """The caller answers 404."""
    assert answer(path, THUMBPRINT) is None


@given(st.text(), st.booleans())
def test_nothing_but_tokens_is_ever_echoed(text: str, prefixed: bool) -> None:
    """Whatever comes back is of the alphabet of base64url and one dot."""
    body = answer(PREFIX + text if prefixed else text, THUMBPRINT)
    if body is not None:
        token, _, rest = body.decode("ascii").partition(".")
        assert TOKEN.fullmatch(token)
        assert rest == THUMBPRINT
