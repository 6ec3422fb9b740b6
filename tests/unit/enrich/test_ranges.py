"""Network ranges: the built-in table, published lists, checks, and the compiled table."""

import json
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.clock import ManualClock
from edge.enrich.documented import PREFIXES, SOURCES
from edge.enrich.mmdb import plain_ip
from edge.enrich.range_build import checked, load_record
from edge.enrich.range_lists import LISTS, RANKS, Form, RangeList, read
from edge.enrich.range_update import update
from edge.enrich.ranges import Ranges
from edge.model.errors import PeerError

APPLE = b"172.224.224.0/27,GB,GB-EN,London,\n172.225.7.0/28,US,US-CA,LA,\n2a02:26f7:c0::/64,DE,,,\n"
GOOGLE = json.dumps(
    {"prefixes": [{"ipv4Prefix": "66.249.84.0/24"}, {"ipv6Prefix": "2404:6800:4000::/48"}]}
).encode()


def _label(ranges: Ranges, ip: str) -> str:
    address = plain_ip(ip)
    assert address is not None
    return ranges.find(address).label


def _list(name: str, form: Form, *urls: str) -> RangeList:
    known = next(each for each in LISTS if each.name == name)
    return RangeList(name, known.label, known.rank, form, urls, "test")


@pytest.mark.parametrize(
    "ip, label",
    [
        ("172.225.7.10", "apple-relay"),
        ("104.28.9.9", "apple-relay"),
        ("2606:54c2::1", "apple-relay"),
        ("17.1.2.3", "apple"),
        ("::ffff:17.1.2.3", "apple"),
        ("66.249.84.1", "google-fetch"),
        ("66.249.66.1", "crawler:google"),
        ("142.250.1.1", "google"),
        ("40.107.3.4", "mailsec:eop"),
        ("209.222.82.5", "mailsec:barracuda"),
        ("52.1.2.3", "dc:amazon"),
        ("52.101.0.1", "mailsec:eop"),
        ("52.112.9.9", "dc:microsoft"),
        ("81.2.69.142", ""),
        ("0.0.0.1", ""),
        ("255.255.255.255", ""),
        ("ffff::1", ""),
    ],
)
def test_built_in_table(ip: str, label: str) -> None:
    """Labels without any download; the narrower or more telling network wins."""
    assert _label(Ranges(None), ip) == label


def test_built_in_table_passes_the_checks_of_downloads() -> None:
    """No reserved space, nothing too wide, and every label has a source and a rank."""
    for label, prefixes in PREFIXES.items():
        found, bad = checked((prefix, "") for prefix in prefixes.split())
        assert found, label
        assert not bad, label
        assert label in SOURCES or f"{label.partition(':')[0]}:*" in SOURCES
        assert label.partition(":")[0] in RANKS


@pytest.mark.parametrize(
    "prefix",
    ["10.0.0.0/8", "192.168.7.0/24", "127.0.0.1/32", "192.0.2.0/24", "100.64.0.0/10", "0.0.0.0/0",
     "16.0.0.0/7", "224.0.0.0/8", "2000::/3", "2a00::/16", "fd00::/32", "2001:db8::/32", "::/0",
     "172.0.0.0/8", "1.2.3.4/33", "1.2.3.4/24", "nonsense", ""],
)  # fmt: skip
def test_unbelievable_prefixes_are_rejected(prefix: str) -> None:
    """Reserved space, prefixes wider than anybody's, and what is no prefix; the rest stays."""
    rows = [(prefix, ""), *((f"81.{second}.0.0/24", "") for second in range(20))]
    found, bad = checked(rows)
    assert (len(found), bad) == (20, 1)
    with pytest.raises(PeerError):
        checked([(prefix, "")])


def test_rows_collapse_by_country() -> None:
    """Neighbours of one country become one prefix; the border stays."""
    rows = [("81.2.0.0/25", "GB"), ("81.2.0.128/25", "GB"), ("81.2.1.0/24", "FR")]
    found, _ = checked(rows)
    assert sorted((str(prefix), country) for prefix, country in found) == [
        ("81.2.0.0/24", "GB"), ("81.2.1.0/24", "FR"),
    ]  # fmt: skip


def test_forms_of_lists() -> None:
    """JSON of any shape, plain text with comments, Apple's columns, Exchange Online's sets."""
    office = json.dumps(
        [{"id": 1, "ips": ["13.107.6.0/24"]}, {"id": 9, "ips": ["40.92.0.0/15"]}, {"id": 11}]
    ).encode()
    assert list(read(Form.JSON, GOOGLE)) == [("66.249.84.0/24", ""), ("2404:6800:4000::/48", "")]
    assert list(read(Form.CSV, b"# x\n\n5.6.7.0/24,NL,,Ams\n")) == [("5.6.7.0/24", "")]
    assert next(iter(read(Form.APPLE, APPLE))) == ("172.224.224.0/27", "GB")
    assert list(read(Form.OFFICE, office)) == [("40.92.0.0/15", "")]
    for form, content in (
        (Form.JSON, b"<html>"),
        (Form.OFFICE, b"{}"),
        (Form.CSV, b"\xff\xfe\x00"),
    ):
        with pytest.raises(PeerError):
            list(read(form, content))


async def test_update_from_files_and_hot_reload(tmp_path: Path) -> None:
    """The compiled table is taken by a running edge, with Apple's countries; Apple wins overlaps."""
    path = tmp_path / "data" / "ranges.mmdb"
    ranges = Ranges(path)
    assert ranges.version.startswith("documented-")
    apple, aws = tmp_path / "apple.csv", tmp_path / "aws.json"
    apple.write_bytes(APPLE)
    aws.write_bytes(b'{"prefixes": [{"ip_prefix": "172.224.0.0/12"}, {"ip_prefix": "3.0.0.0/15"}]}')
    lists = [_list("apple-relay", Form.APPLE), _list("aws", Form.JSON)]
    record, failures = await update(
        path, lists, {"apple-relay": apple, "aws": aws}, clock=ManualClock()
    )
    assert not failures
    assert ranges.reload()
    assert not ranges.reload()
    assert _label(ranges, "172.225.7.3") == "apple-relay"
    assert _label(ranges, "172.225.9.3") == "dc:amazon"
    assert _label(ranges, "17.0.0.1") == "apple"
    address = plain_ip("172.225.7.3")
    assert address is not None
    assert ranges.find(address).country == "US"
    assert {each.name: each.entries for each in record.lists} == {"aws": 2, "apple-relay": 3}
    assert load_record(path) == record
    assert all(len(each.sha256) == 64 for each in record.lists)


async def test_a_failed_list_keeps_what_it_had(tmp_path: Path) -> None:
    """One list down, the other updated; the failure is recorded, its rows stay in the table."""
    path = tmp_path / "ranges.mmdb"
    answers = {"/apple": APPLE, "/google": GOOGLE}

    async def serve(request: web.Request) -> web.Response:
        if request.path not in answers:
            raise web.HTTPServiceUnavailable
        return web.Response(body=answers[request.path])

    app = web.Application()
    app.router.add_get("/{name}", serve)
    async with TestServer(app) as server:
        lists = [
            _list("apple-relay", Form.APPLE, str(server.make_url("/apple"))),
            _list("google-fetchers", Form.JSON, str(server.make_url("/google"))),
        ]
        _, failures = await update(path, lists, {}, clock=ManualClock())
        assert not failures
        del answers["/apple"]
        record, failures = await update(path, lists, {}, clock=ManualClock(1_760_000_000))
    assert list(failures) == ["apple-relay"]
    assert "503" in failures["apple-relay"]
    by_name = {each.name: each for each in record.lists}
    assert "503" in by_name["apple-relay"].error
    assert by_name["apple-relay"].date < by_name["google-fetchers"].date
    assert _label(Ranges(path), "172.225.7.3") == "apple-relay"
    assert path.with_name("ranges.mmdb.previous").exists()
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


async def test_a_list_that_changed_its_size_must_be_forced(tmp_path: Path) -> None:
    """Half of a list gone is a broken publisher until somebody looked."""
    path, file = tmp_path / "ranges.mmdb", tmp_path / "list"
    lists = [_list("linode", Form.CSV)]

    async def load(first: int, count: int, *, force: bool = False) -> dict[str, str]:
        rows = (f"81.{number}.{first}.0/24" for number in range(count))
        file.write_text("\n".join(rows))
        clock = ManualClock()
        return (await update(path, lists, {"linode": file}, clock=clock, force=force))[1]

    assert not await load(1, 40)
    assert "--force" in (await load(2, 19))["linode"]
    assert _label(Ranges(path), "81.30.1.9") == "dc:linode"
    assert "--force" in (await load(2, 170))["linode"]
    assert not await load(2, 20)
    assert not await load(3, 100, force=True)
    assert _label(Ranges(path), "81.30.1.9") == ""


async def test_downloads_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publisher that sends without end does not fill the disk."""
    monkeypatch.setattr("edge.enrich.range_update.MAX_LIST", 1000)

    async def serve(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"1.2.3.0/24\n" * 100)
        return answer

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server:
        lists = [_list("linode", Form.CSV, str(server.make_url("/")))]
        _, failures = await update(tmp_path / "r.mmdb", lists, {}, clock=ManualClock())
    assert "1000 bytes" in failures["linode"]


def test_published_lists_are_complete() -> None:
    """Names are unique; every list but Azure's (its address changes weekly) can be fetched."""
    names = [each.name for each in LISTS]
    assert len(names) == len(set(names))
    assert [each.name for each in LISTS if not each.urls] == ["azure"]
    assert all(url.startswith("https://") for each in LISTS for url in each.urls)
