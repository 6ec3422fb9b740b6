"""What is done for certificates by the clock: the HSTS ramp, alarms, forgetting, counting."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from certs.host import Failure, Host
from edge.adapters.alarms import Alarms
from edge.adapters.certificate_jobs import CertificateJobs, reason_of
from edge.clock import ManualClock
from edge.model.certificate import DAY
from edge.model.domain import Domain
from edge.model.errors import OperatorError
from edge.model.vault import Vault
from edge.observe import metrics
from edge.settings import load
from edge.store import certificates, domains, roster
from edge.store.certificates import StoredCertificate
from edge.store.pool import Pool

VAULT = Vault(bytes(32))


async def put(
    db: Pool, name: str, clock: ManualClock, *, days: float = 90, scheme: str = "https"
) -> str:
    """A certificate that begins now, for the tracking host of a domain; the host."""
    now = clock.now()
    async with db.acquire() as conn:
        if await certificates.show(conn, f"email.{name}") is None:
            wanted = Domain(number=0, name=name, web_scheme=scheme)
            await domains.add(conn, wanted, now_us=clock.now_us())
        stored = StoredCertificate(
            host=f"email.{name}",
            key="key",
            chain=f"chain {now}",
            not_before=now,
            not_after=now + days * DAY,
            renewal_id=None,
        )
        await certificates.import_certificate(conn, VAULT, stored, now)
    return stored.host


async def max_ages(db: Pool, clock: ManualClock) -> dict[str, int]:
    """What the table says after the ramp's job."""
    async with db.acquire() as conn:
        await certificates.ramp(conn, clock.now())
        rows = await conn.fetch("SELECT host, max_age FROM certificates")
    return {row["host"]: row["max_age"] for row in rows}


async def test_hsts_grows_with_health(db: Pool) -> None:
    """300 s, after an hour a day, after a week 30 days, after a month a year; renewals keep it."""
    clock = ManualClock()
    host = await put(db, "mg.brand.example", clock)
    steps = []
    for seconds in (0, 3599, 2, 7 * DAY - 3602, 2, 23 * DAY, 40):
        clock.advance(seconds)
        steps.append((await max_ages(db, clock))[host])
    assert steps == [300, 300, DAY, DAY, 30 * DAY, 365 * DAY, 365 * DAY]
    await put(db, "mg.brand.example", clock)
    assert (await max_ages(db, clock))[host] == 365 * DAY


async def test_hsts_ends_before_a_certificate_does(db: Pool) -> None:
    """With a quarter of its life left; after a lapse the ramp begins anew."""
    clock = ManualClock()
    host = await put(db, "mg.brand.example", clock, days=40)
    clock.advance(29.9 * DAY)
    assert (await max_ages(db, clock))[host] == 30 * DAY
    clock.advance(0.2 * DAY)
    assert (await max_ages(db, clock))[host] == 0
    clock.advance(11 * DAY)
    await put(db, "mg.brand.example", clock)
    assert (await max_ages(db, clock))[host] == 300


async def test_only_https_domains_get_hsts_and_steps_move_the_roster(db: Pool) -> None:
    """A look that changes nothing leaves the roster's version."""
    clock = ManualClock(time.time())
    host = await put(db, "mg.brand.example", clock)
    await put(db, "mg.plain.example", clock, scheme="http")
    async with db.acquire() as conn:
        before = await roster.read(conn)
        assert before.hsts == {host: 300}
        await certificates.ramp(conn, clock.now())
        assert await roster.version(conn) == before.version
        await certificates.ramp(conn, clock.now() + 3601)
        assert await roster.version(conn) > before.version


async def test_an_ended_certificate_of_a_removed_domain_is_forgotten(db: Pool) -> None:
    """After 30 days; one of a domain that is there stays, to be seen."""
    clock = ManualClock()
    gone = await put(db, "mg.gone.example", clock, days=1)
    kept = await put(db, "mg.kept.example", clock, days=1)
    async with db.acquire() as conn:
        await certificates.request(conn, gone, "1", clock.now())
        await domains.remove(conn, "mg.gone.example")
        assert await certificates.forget_lapsed(conn, clock.now() + DAY / 2) == 0
        assert await certificates.forget_lapsed(conn, clock.now() + 2 * DAY) == 1
        assert set(await certificates.digests(conn)) == {kept}
        assert [one.host for one in await certificates.list_all(conn)] == [kept]


RECEIVER = """
import json, sys
with open(sys.argv[1], "a") as file:
    file.write(json.dumps([json.load(sys.stdin), sys.argv[2:]]) + "\\n")
sys.exit(int(sys.argv[2]))
"""


def receiver(tmp_path: Path, status: int = 0) -> tuple[list[str], Path]:
    """A program that keeps what it is told and ends with a status; where it keeps it."""
    program, kept = tmp_path / "receive.py", tmp_path / "kept"
    program.write_text(RECEIVER)
    return [sys.executable, str(program), str(kept), str(status), "; rm -rf *"], kept


def told(kept: Path) -> list[dict[str, Any]]:
    """What the program was told."""
    if not kept.exists():
        return []
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert all(arguments[1:] == ["; rm -rf *"] for _, arguments in lines)
    return [alarm for alarm, _ in lines]


async def test_an_ending_certificate_is_told_once_a_day(db: Pool, tmp_path: Path) -> None:
    """All that are new in one alarm, most urgent first."""
    clock = ManualClock()
    command, kept = receiver(tmp_path)
    alarms = Alarms(command, clock)
    first = await put(db, "mg.first.example", clock, days=40)
    second = await put(db, "mg.second.example", clock, days=41)
    async with db.acquire() as conn:
        clock.advance(29 * DAY)
        await alarms.look(conn)
        assert told(kept) == []
        clock.advance(2 * DAY)
        for _ in range(3):
            await alarms.look(conn)
            clock.advance(600)
        assert len(told(kept)) == 1
        alarm = told(kept)[0]
        assert (alarm["alarm"], alarm["count"]) == ("certificates-ending", 2)
        assert [one["host"] for one in alarm["hosts"]] == [first, second]
        assert alarm["hosts"][0]["days_left"] == 9.0
        assert f"first {first} with 9.0 days" in alarm["text"]
        clock.advance(DAY)
        await alarms.look(conn)
        assert len(told(kept)) == 2


async def test_a_domain_that_has_left_raises_no_alarm(db: Pool, tmp_path: Path) -> None:
    """Removed, and its DNS leads elsewhere; one that still leads here is worth an alarm."""
    clock = ManualClock()
    command, kept = receiver(tmp_path)
    async with db.acquire() as conn:
        for name, who in (("mg.left.example", "customer"), ("mg.here.example", "authority")):
            host = await put(db, name, clock, days=40)
            await certificates.request(conn, host, "1", clock.now())
            await conn.execute(
                "UPDATE certificate_hosts SET state = state || jsonb_build_object('failure', "
                "jsonb_build_object('who', $1::text)) WHERE host = $2",
                who,
                host,
            )
            await domains.remove(conn, name)
        clock.advance(35 * DAY)
        await Alarms(command, clock).look(conn)
    assert [one["host"] for one in told(kept)[0]["hosts"]] == ["email.mg.here.example"]


async def test_a_refusal_of_the_authority_is_told(db: Pool, tmp_path: Path) -> None:
    """Only what the operator must mend."""
    clock = ManualClock()
    command, kept = receiver(tmp_path)
    alarms = Alarms(command, clock)
    async with db.acquire() as conn:
        for who in ("customer", "authority", "operator"):
            domain = Domain(number=0, name=f"{who}.example")
            await domains.add(conn, domain, now_us=clock.now_us())
            await certificates.request(conn, f"email.{who}.example", "1", clock.now())
            await conn.execute(
                "UPDATE certificate_hosts SET state = state || jsonb_build_object('failure', "
                "jsonb_build_object('who', $1::text, 'text', $1 || ' must act', 'at', $2::float8)) "
                "WHERE host = $3",
                who,
                clock.now(),
                f"email.{who}.example",
            )
        await alarms.look(conn)
        assert len(told(kept)) == 1
        alarm = told(kept)[0]
        assert alarm["alarm"] == "certificates-refused"
        assert alarm["hosts"] == [{"host": "email.operator.example", "text": "operator must act"}]


async def test_an_alarm_that_fails_is_raised_again(db: Pool, tmp_path: Path) -> None:
    """A program that fails, is not there, or hangs: an error that names the setting."""
    clock = ManualClock()
    await put(db, "mg.brand.example", clock, days=40)
    clock.advance(39 * DAY)
    failing, kept = receiver(tmp_path, status=3)
    hanging = [sys.executable, "-c", "import time; time.sleep(60)"]
    async with db.acquire() as conn:
        with pytest.raises(OperatorError, match=r"EDGE_ALARM_COMMAND.* ended with 3"):
            await Alarms(failing, clock).look(conn)
        with pytest.raises(OperatorError, match="No such file"):
            await Alarms(["/nowhere/alarm"], clock).look(conn)
        with pytest.raises(OperatorError, match="did not end within"):
            await Alarms(hanging, clock, deadline=0.5).look(conn)
        working, _ = receiver(tmp_path)
        await Alarms(working, clock).look(conn)
        await Alarms([], clock).look(conn)
    assert len(told(kept)) == 2


def test_failures_are_counted_once_and_by_bounded_reasons(db: Pool, tmp_path: Path) -> None:
    """A row put off with its old failure counts no second time; an authority makes up no label."""
    jobs = CertificateJobs(
        settings=load(data_dir=tmp_path),
        pool=db,
        vault=VAULT,
        clock=ManualClock(),
        holder="test",
        gate=None,
    )
    failure = Failure(1.0, "customer", "text", "urn:ietf:params:acme:error:caa")
    counter = metrics.CERTIFICATE_FAILURES.labels("customer", "caa")
    before = counter._value.get()
    for at in (1.0, 1.0, 2.0):
        one = Failure(at, failure.who, failure.text, failure.problem)
        jobs._changed(Host("a.brand.example", failure=one))
    jobs._changed(Host("a.brand.example"))
    assert counter._value.get() - before == 2
    assert reason_of(None) == "none"
    assert reason_of("urn:x:made-up") == "other"
