"""Messages in the shapes in which mail programs write them, with how many links are tracked."""

import base64
import quopri

PNG = base64.encodebytes(bytes(range(256)) * 3).replace(b"\n", b"\r\n")


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def _qp(text: str, codec: str = "utf-8") -> str:
    return quopri.encodestring(text.encode(codec)).decode()


def _b64(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


NEWSLETTER = _crlf(
    f"""Received: from a.example by b.example;
\tThu, 1 Jan 2026 00:00:00 +0000
From: =?utf-8?q?L=C3=B6we?= <news@example.com>
To: ada@example.net
Subject: =?utf-8?q?Fr=C3=BChling?=
 im =?utf-8?q?M=C3=A4rz?=
Message-ID:\t<n1@example.com>
X-Odd:   two  spaces
MIME-Version: 1.0
Content-Type: multipart/alternative;
\tboundary="=_alt"

This is a message in MIME format.
--=_alt
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Frühling: https://shop.example/angebote?x=1 (nur heute).

--=_alt
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

{
        _qp('''<!DOCTYPE html><html><head><title>Frühling</title><style>a{color:red}</style></head>
<body style="margin:0"><table width="600"><tr><td>
<a href="https://shop.example/a?utm_source=n&amp;utm_medium=mail"><img src="https://cdn.example/l.png"></a>
<a href='https://shop.example/b' disable-tracking="true">B</a> <a href=https://shop.example/c>C</a>
<a href="mailto:help@example.com">Hilfe</a></td></tr></table>
</body>
</html>
''')
    }
--=_alt--
Epilogue that nobody reads.
"""
)

OUTLOOK = _crlf(
    """From: a@example.com
To: ada@example.net
Message-ID: <o1@example.com>
MIME-Version: 1.0
Content-Type: text/html; charset="us-ascii"
Content-Transfer-Encoding: 7bit

<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">
<head><!--[if gte mso 9]><xml><o:OfficeDocumentSettings/></xml><![endif]--></head>
<body lang=EN-US><div><!--[if mso]>
<v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" href="https://e.com/go?a=1&amp;b=2" stroke="f">
<w:anchorlock/><center>Go</center></v:roundrect>
<![endif]--><!--[if !mso]><!--><a href="https://e.com/go?a=1&amp;b=2">Go</a><!--<![endif]-->
<p class=MsoNormal><o:p>&nbsp;</o:p></p></div></body></html>
"""
)

REPLY = _crlf(
    """From: a@example.com
To: ada@example.net
Message-ID: <r1@example.com>
In-Reply-To: <x@y.example>

Yes, see https://e.com/a.

> did you read <https://e.com/b>?
--\x20
Grace
"""
)

CALENDAR = _crlf(
    """From: a@example.com
Message-ID: <c1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary="outer-inner"

--outer-inner
Content-Type: text/plain

Join https://meet.example/1
--outer-inner
Content-Type: text/html

<a href="https://meet.example/1">Join</a>
--outer-inner
Content-Type: text/calendar; charset=utf-8; method=REQUEST

BEGIN:VCALENDAR
URL:https://meet.example/1
END:VCALENDAR
--outer-inner--
--outer
Content-Type: application/ics; name="invite.ics"
Content-Disposition: attachment; filename="invite.ics"
Content-Transfer-Encoding: base64

QkVHSU46VkNBTEVOREFSCg==
--outer--
"""
)

BASE64 = _crlf(
    f"""From: a@example.com
Message-ID: <b1@example.com>
MIME-Version: 1.0
Content-Type: text/html; charset="UTF-8"
Content-Transfer-Encoding: base64

{_b64("<p>" + "Grüße " * 60 + "<a href='https://e.com/1'>1</a><a href=https://e.com/2>2</a></p>")}
"""
)

PRICES = "<p>“Preis” 5 € – " + "viel Text " * 20 + '<a href="https://e.com/?q=grün">hier</a></p>'
WINDOWS = _crlf(
    f"""From: a@example.com
Message-ID: <w1@example.com>
MIME-Version: 1.0
Content-Type: text/html; charset=Windows-1252
Content-Transfer-Encoding: quoted-printable

{_qp(PRICES, "cp1252")}"""
)

NESTED = (
    _crlf(
        """From: a@example.com
Message-ID: <m1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=M

--M
Content-Type: multipart/alternative; boundary=MA

--MA
Content-Type: text/plain

https://e.com/t
--MA
Content-Type: multipart/related; boundary=MAR; type="text/html"

--MAR
Content-Type: text/html

<body><a href="https://e.com/h"><img src="cid:i@x"></a></body>
--MAR
Content-Type: image/png
Content-ID: <i@x>
Content-Transfer-Encoding: base64

"""
    )
    + PNG
    + _crlf(
        """--MAR--

--MA--

--M
Content-Type: message/rfc822

Subject: inner
Content-Type: text/html

<a href="https://e.com/inner">x</a>
--M--
"""
    )
)

APPLE = (
    _crlf(
        """From: a@example.com
Content-Type: multipart/alternative;
\tboundary="Apple-Mail=_1"
Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3826\\))
Message-Id: <ap1@example.com>

--Apple-Mail=_1
Content-Transfer-Encoding: quoted-printable
Content-Type: text/plain;
\tcharset=utf-8

Look: https://e.com/a?b=3Dc =E2=80=94 nice

--Apple-Mail=_1
Content-Type: multipart/mixed;
\tboundary="Apple-Mail=_2"

--Apple-Mail=_2
Content-Transfer-Encoding: 7bit
Content-Type: text/html;
\tcharset=us-ascii

<html><head><meta http-equiv="Content-Type" content="text/html"></head><body>
Look: <a href="https://e.com/a?b=c">https://e.com/a?b=c</a></body></html>
--Apple-Mail=_2
Content-Disposition: inline;
\tfilename=a.png
Content-Type: image/png;
\tname="a.png"
Content-Transfer-Encoding: base64

"""
    )
    + PNG
    + _crlf(
        """--Apple-Mail=_2
Content-Transfer-Encoding: 7bit
Content-Type: text/html;
\tcharset=us-ascii

<html><body><br><a href="https://e.com/z">z</a></body></html>
--Apple-Mail=_2--

--Apple-Mail=_1--
"""
    )
)

GMAIL = _crlf(
    """MIME-Version: 1.0
From: A <a@example.com>
Date: Thu, 1 Jan 2026 10:00:00 +0100
Message-ID: <CAF+abc=def@mail.gmail.com>
Subject: hi
To: ada@example.net
Content-Type: multipart/alternative; boundary="000000000000a1"

--000000000000a1
Content-Type: text/plain; charset="UTF-8"

hi https://e.com/1

--000000000000a1
Content-Type: text/html; charset="UTF-8"

<div dir="ltr">hi <a href="https://e.com/1">https://e.com/1</a></div>

--000000000000a1--
"""
)

FLOWED = _crlf(
    """From: a@example.com
Message-ID: <f1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes

A long address https://e.com/one/two/ 
three/four?x=1 and  
more words https://e.com/end.
> quoted https://e.com/q
"""  # noqa: W291 - the space before the line break is what flowed text is about
)

SHAPES: dict[str, tuple[bytes, int]] = {
    "newsletter": (NEWSLETTER, 3),
    "outlook": (OUTLOOK, 2),
    "reply": (REPLY, 2),
    "calendar": (CALENDAR, 2),
    "base64": (BASE64, 2),
    "windows-1252": (WINDOWS, 1),
    "nested": (NESTED, 2),
    "apple": (APPLE, 3),
    "gmail": (GMAIL, 2),
    "flowed": (FLOWED, 3),
}
"""By name: the message with CRLF, and how many of its links are tracked."""
