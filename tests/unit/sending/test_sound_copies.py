"""From any octets to a copy that leaves: read, expanded, instrumented, signed."""

import dkim
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.tokens import Kind, Target
from edge.rewriting.instructions import Instructions
from edge.rewriting.switches import Given, decide
from edge.rewriting.template import compile_message
from edge.rewriting.variables import Recipient
from edge.sending.dkim import Algorithm, Signer, generate_key
from edge.sending.entry import pieces_of
from edge.sending.message import Addressee, Message, Options, Origin
from edge.sending.reading import read
from edge.store.lists import Expansion

DOMAIN = Domain(number=1, name="mg.example.com", open=True, click="yes", unsubscribe=True)
SIGNER = Signer(DOMAIN.name, "s", generate_key(Algorithm.ED25519))
ANN, LIST = "ann@example.net", "devs@mg.example.com"
LISTS = {(1, LIST): Expansion(LIST, "Devs é %recipient_name%", "list", [(ANN, "", {})])}
LINES = st.sampled_from(
    [b"From: a@b.cc", b"From: %recipient% <a@b.cc>", b"From:", b" <a@b.cc>", b"Bcc: x\r\n y",
     b"Subject: %recipient_name%\rX: y", b"Subject: =?utf-8?q?%recipient_name%?=",
     b"To: %recipient%", b"From x", b"\r", b"", b"Content-Type: text/html",
     b"Content-Type: multipart/mixed; boundary=b", b"--b", b"--b--",
     b"<a href=http://x.yy/%recipient_email%>x</a>", b"<body>", b"http://x.yy/z", b".",
     b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: base64",
     b"\xff", b"Message-Id: <x>", b"Message-Id: <1@\r>",
     b"DKIM-Signature: v=1; d=mg.example.com", b"DKIM-Signature: d=other.example",
     b"X-Mailgun-Tag: a", b"List-Unsubscribe: <%unsubscribe_url%>", b"%unsubscribe_email%",
     b"Date: x\ry", b"X: " + b"y" * 1100, b"Return-Path: <a>",
     b'Reply-To: "%recipient_name%" <r@b.cc>']
)  # fmt: skip


def _seal(kind: Kind, _: Target) -> str:
    return f"http://email.mg.example.com/{kind.value}/token"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(LINES, max_size=12),
    st.sampled_from([b"\r\n", b"\n"]),
    st.sampled_from([ANN, LIST]),
    st.sampled_from(["", "Ann", "Böb\r\nX: y", 'A "q" <b@c>']),
)
def test_any_message_goes_out_sound(lines: list[bytes], end: bytes, to: str, name: str) -> None:
    """Or is refused: CRLF ends every line, dkimpy verifies it, and the header holds no Bcc."""
    try:
        found = read(
            Message(
                domain=DOMAIN,
                source=end.join(lines),
                sender="news@mg.example.com",
                recipients=(Addressee(to, name),),
                options=Options(personal=True),
                origin=Origin(method="HTTP"),
            ),
            1_750_000_000_000_000,
        )
    except CallerError:
        return
    for piece in pieces_of(found, LISTS):
        instructions = Instructions(
            domain=DOMAIN,
            tracking=decide(DOMAIN, Given()),
            message_id=piece.message_id,
            mailing_list=piece.options.mailing_list,
            html_footer="<p>%unsubscribe_url%",
            text_footer="%unsubscribe_url%",
        )
        template = compile_message(piece.source, instructions, _seal)
        copy = template.render(
            Recipient(ANN, name), {}, unsubscribe_email=lambda _: "u-x@bounces.mg.example.com"
        )
        signed = SIGNER.signed(copy, 1)
        assert signed.count(b"\r\n") == signed.count(b"\n") == signed.count(b"\r")
        assert dkim.DKIM(signed).verify(dnsfunc=lambda *_, timeout=5: SIGNER.record().encode())
        assert b"\nbcc:" not in signed.partition(b"\r\n\r\n")[0].lower()
