"""Attackers of the API: guessed keys, bombs, and text that means something elsewhere."""

import base64
import hmac
import json
import zlib
from typing import Any

import pytest

from edge.api import request_ids
from edge.clock import ManualClock
from edge.store import api_keys, credentials
from edge.store.pool import Pool
from edge.throttle import Bucket, network_of
from tests.integration.api.worlds import OURS, World, basic, serving

OPEN = f"/v3/domains/{OURS}/tracking/open"


async def test_secrets_are_compared_in_constant_time(
    db: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, wrong and unknown keys and passwords each end in one ``compare_digest``."""
    compared: list[tuple[Any, Any]] = []
    real = hmac.compare_digest

    def spy(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return real(one, other)

    async with serving(db) as world, db.acquire() as conn:
        monkeypatch.setattr(hmac, "compare_digest", spy)
        right = world.key
        prefix = right[: len("key-0123456789ab-")]
        for key in (right, prefix + "A" * 43, "key-" + "0" * 12 + "-" + "A" * 43):
            assert (await api_keys.find(conn, key) is not None) == (key == right)
        assert len(compared) == 3
        assert all(len(one) == len(other) == 32 for one, other in compared)
        domain = world.domains[OURS]
        await credentials.add(conn, domain, "ann", "12345678", now_us=world.clock.now_us())
        for login in (f"ann@{OURS}", f"nobody@{OURS}"):
            assert await credentials.verify(conn, login, "wrong") is None
        assert len(compared) == 5


async def test_keys_cannot_be_enumerated(db: Pool) -> None:
    """Unknown, wrong, revoked and expired keys get one answer, byte for byte."""
    async with serving(db, failures=0) as world:
        now = world.clock.now_us()
        ended = await world.make_key(expires_at=now + 1)
        revoked = await world.make_key()
        async with db.acquire() as conn:
            last = (await api_keys.list_keys(conn))[-1]
            await api_keys.revoke(conn, last.id, now_us=now)
        world.clock.advance(1)
        answers = set()
        for key in (ended, revoked, revoked[:-2] + "AA", "key-" + "0" * 12 + "-" + "A" * 43, "x"):
            got = await world.ask("GET", "/v3/domains", key=key)
            headers = {
                n: v for n, v in got.headers.items() if n.lower() not in {"date", "x-request-id"}
            }
            answers.add((got.status, got.body, tuple(sorted(headers.items()))))
        assert len(answers) == 1


def test_what_is_remembered_of_guessers_is_bounded() -> None:
    """Ten thousand addresses; a host's whole IPv6 /64 is one."""
    bucket = Bucket(1, ManualClock(), most=100)
    for number in range(1_000):
        assert bucket.take(f"192.0.2.{number}") == 0
    assert len(bucket) == 100
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") == "2001:db8::"
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("somewhere") == "somewhere"


@pytest.mark.parametrize(
    "offered, taken",
    [
        ("abcdef-0123_Z", True),
        ("short", False),
        ("x" * 65, False),
        ("two words here", False),
        ("line\nbreak-in-it", False),
        ("müller-und-söhne", False),
        ('quote"and{brace}', False),
        ("", False),
        (None, False),
    ],
)
def test_a_clients_request_id_is_plain_or_not_taken(offered: str | None, taken: bool) -> None:
    """What is echoed and logged can forge neither a header nor a log line."""
    chosen = request_ids.choose(offered)
    assert (chosen == offered) == taken
    assert chosen.isascii()
    assert chosen.replace("-", "").replace("_", "").isalnum()


async def test_request_ids_are_in_every_answer(db: Pool) -> None:
    """Also in refusals; two offered ones are none."""
    async with serving(db) as world:
        for path, key in (("/v3/domains", None), ("/v3/domains", "bad"), ("/healthz", "")):
            got = await world.ask("GET", path, key=key, headers={"X-Request-Id": "mine-0123"})
            assert got.headers["X-Request-Id"] == "mine-0123"
            got = await world.ask("GET", path, key=key, headers={"X-Request-Id": "<b>\tx</b>"})
            assert len(got.headers["X-Request-Id"]) == 32
        raw = await world.raw(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: first-one\r\n"
            b"X-Request-Id: second-one\r\nConnection: close\r\n\r\n"
        )
        assert b"-one" not in raw


HOSTILE = (
    *("'; DROP TABLE domains; --", "' OR '1'='1", "\\", "%", "_", "$1", "${x}", "(", "[", "*"),
    *("a\0b", "a\r\nX: y", "\x1b[31m", "\x7f", "\u0085", "\u202e", "\ufffe", "😀", "\ud800"),
    *("a" * 100_000, "", " ", "null", "-1", "1e999", "NaN", "../../etc/passwd", "{{7*7}}"),
)


async def _hostile(world: World, value: str) -> None:
    """Ask everything with one hostile value in every place."""
    as_json = json.dumps(
        dict.fromkeys(("name", "login", "password", "active", "html_footer"), value)
    )
    quoted = "".join(f"%{byte:02x}" for byte in value.encode("utf-8", "surrogatepass")[:2000])
    domain = f"/v3/domains/{OURS}"
    asked = [
        ("POST", "/v3/domains", as_json),
        ("PUT", domain, json.dumps({"web_prefix": value, "smtp_password": value})),
        ("PUT", domain, json.dumps({"archive_to": value, "message_ttl": value})),
        ("PUT", OPEN, as_json),
        ("PUT", f"{domain}/tracking/unsubscribe", as_json),
        ("POST", f"{domain}/credentials", as_json),
        ("PUT", f"{domain}/credentials/{quoted or 'x'}", as_json),
        ("DELETE", f"{domain}/credentials/{quoted or 'x'}", ""),
        ("GET", f"/v3/domains/{quoted or 'x'}", ""),
        ("GET", f"/v3/domains?search={quoted}&sort={quoted}", ""),
        ("GET", f"/v3/domains?search={quoted}", ""),
        ("POST", "/v3/domains", f"name={quoted}"),
        ("POST", "/v3/domains", f"{quoted}=x&{quoted}[]=y"),
    ]
    for method, path, body in asked:
        auth = basic(world.key).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
        head += b"Authorization: " + auth + b"\r\n"
        if body:
            head += b"Content-Type: application/x-www-form-urlencoded\r\n"
            head += f"Content-Length: {len(body)}\r\n".encode()
        answer = await world.raw(head + b"\r\n" + body.encode())
        status = int(answer.split(b" ", 2)[1])
        assert status < 500, (method, path[:100], answer[:500])
        if status >= 400:
            assert b'"message"' in answer or b"400 Bad Request" in answer, answer[:500]


async def test_no_text_makes_the_api_fail(db: Pool) -> None:
    """SQL and pattern metacharacters, control characters, lone surrogates: a clear 4xx, or text."""
    async with serving(db) as world:
        for value in HOSTILE:
            await _hostile(world, value)
        assert (await world.ask("GET", f"/v3/domains/{OURS}")).status == 200


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"active":' * 50_000,
        "[" * 40 + "]" * 40,
        '{"a":' * 40 + "1" + "}" * 40,
        '{"active": yes}',
        '{"active": "yes"',
        '{"active": 1e400}x',
        '{"": "x"}',
        '{"' + "n" * 300 + '": 1}',
        "{" + ",".join(f'"k{n}":1' for n in range(6_000)) + "}",
    ],
    ids=lambda body: body[:12],
)
async def test_json_bombs_are_refused(db: Pool, body: str) -> None:
    """Deep, broken or crowded JSON: 400 that says so."""
    async with serving(db) as world:
        headers = {"Content-Type": "application/json"}
        got = await world.ask("PUT", OPEN, data=body, headers=headers)
        assert got.status == 400, got.body
        assert got.message


def _form(parts: int, *, head: str = "", value: str = "x") -> bytes:
    part = f'--b\r\nContent-Disposition: form-data; name="n"{head}\r\n\r\n{value}\r\n'
    return (part * parts + "--b--\r\n").encode()


@pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionHeader")  # edge.api.body does so
@pytest.mark.parametrize(
    "body, status",
    [
        (_form(5_001), 400),
        (_form(1, value="x" * 70_000), 413),
        (_form(1, head='; filename="f"', value="x" * 70_000), 413),
        (_form(1, head="\r\nX-Long: " + "y" * 60_000), 400),
        (_form(1, head="".join(f"\r\nX-{n}: y" for n in range(3_000))), 400),
        (_form(1, head="\r\nContent-Type: multipart/mixed; boundary=c"), 400),
        (_form(1)[:-20], 400),
        (b"no boundary at all", 400),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", 400),
        (b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n\xff\xfe\r\n--b--\r\n', 400),
    ],
)
async def test_multipart_bombs_are_refused(db: Pool, body: bytes, status: int) -> None:
    """Too many parts, too much in one, endless headers, nesting, no end: 4xx and nothing done."""
    async with serving(db, max_body=600_000 if len(body) > 200_000 else 65_536) as world:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        got = await world.ask("PUT", OPEN, data=body, headers=headers)
        assert got.status == status, got.body
        assert got.message


async def test_bodies_above_the_limit_are_refused(db: Pool) -> None:
    """Announced, streamed without a length, and compressed ones alike."""
    async with serving(db, max_body=10_000) as world:
        big = b"active=yes&x=" + b"y" * 20_000

        async def chunks() -> Any:
            for start in range(0, len(big), 1_000):
                yield big[start : start + 1_000]

        form = {"Content-Type": "application/x-www-form-urlencoded"}
        packed = zlib.compress(b"active=yes&x=" + b"y" * 5_000_000)
        assert len(packed) < 10_000
        for body, headers in (
            *((big, form), (chunks(), form)),
            (packed, form | {"Content-Encoding": "deflate"}),
        ):
            got = await world.ask("PUT", OPEN, data=body, headers=headers)
            assert (got.status, "larger than 10000 bytes" in got.message) == (413, True)
        broken = form | {"Content-Encoding": "deflate"}
        got = await world.ask("PUT", OPEN, data=b"not deflated", headers=broken)
        assert got.status == 400


async def test_nothing_is_read_for_a_stranger(db: Pool) -> None:
    """Without a key the answer comes before the body is looked at."""
    async with serving(db) as world:
        got = await world.ask("PUT", OPEN, key="", data=b"x" * 1_000_000)
        assert (got.status, got.body) == (401, b"Forbidden")


async def test_two_authorizations_are_none(db: Pool) -> None:
    """A proxy and the API must not read different ones."""
    async with serving(db) as world:
        line = b"Authorization: " + basic(world.key).encode() + b"\r\n"
        other = b"Authorization: Basic " + base64.b64encode(b"api:x") + b"\r\n"
        for lines in (line + other, other + line, line + line):
            head = b"GET /v3/domains HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            assert (await world.raw(head + lines + b"\r\n")).split(b" ")[1] in {b"401", b"400"}


async def test_unknown_paths_and_methods_with_a_key(db: Pool) -> None:
    """JSON 404, JSON 405 with Allow; below analytics the one key that its SDK asserts."""
    async with serving(db) as world:
        got = await world.ask("GET", "/v3/nothing/here")
        assert (got.status, got.json) == (404, {"message": "Not Found"})
        got = await world.ask("PATCH", "/v3/domains")
        assert (got.status, got.headers["Allow"]) == (405, "GET,HEAD,POST")
        got = await world.ask("POST", "/v1/analytics/nothing")
        assert (got.status, got.json) == (404, {"error": "/v1/analytics/nothing not found"})
