"""Geolocation: the GeoIP2 schema, replaced files, and fetching one."""

import gzip
import io
import tarfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.clock import ManualClock
from edge.enrich.geo import Geo, geolocation_of
from edge.enrich.geo_update import (
    fetch_dbip,
    fetch_maxmind,
    install,
    load_geo_record,
    months,
)
from edge.enrich.pipeline import Enricher, open_enricher
from edge.enrich.ranges import Ranges
from edge.model.capture import Act
from edge.model.errors import OperatorError, PeerError
from edge.model.event import Geolocation
from tests.unit.enrich.world import APPLE_RELAY, HOME, capture, write_mmdb

LONDON: dict[str, Any] = {
    "country": {"iso_code": "GB"},
    "subdivisions": [{"iso_code": "ENG", "names": {"en": "England"}}],
    "city": {"names": {"en": "London"}},
}
DBIP_ROW: dict[str, Any] = {
    "country": {"iso_code": "US"},
    "subdivisions": [{"names": {"en": "California"}}],
    "city": {"names": {"en": "Mountain View"}},
}


def _database(path: Path, rows: dict[str, dict[str, Any]] | None = None) -> Path:
    write_mmdb(path, rows or {"81.2.69.0/24": LONDON, "2001:4860::/32": DBIP_ROW})
    return path


def test_values_of_both_vendors() -> None:
    """The region's code where there is one, else its name; Unknown for what is missing."""
    assert geolocation_of(LONDON) == Geolocation(country="GB", region="ENG", city="London")
    assert geolocation_of(DBIP_ROW).region == "California"
    assert geolocation_of({"registered_country": {"iso_code": "DE"}}) == Geolocation(country="DE")


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"country": "GB"},
        {"country": {}},
        {"city": []},
        {"subdivisions": {}},
        {"city": {"names": 1}},
    ],
)
def test_odd_rows_are_unknown(row: dict[str, Any]) -> None:
    """A row that is not as expected never fails an event."""
    assert geolocation_of(row) == Geolocation()


def test_lookup_and_replacement(tmp_path: Path) -> None:
    """Addresses are found also in their IPv6 wrapping; a new, a broken and a removed file count."""
    path = tmp_path / "geo.mmdb"
    enricher = open_enricher(
        ranges_path=tmp_path / "none", geo_path=path, gmail_image_proxy="human"
    )

    def city(ip: str) -> str:
        return enricher.label(capture(ip=ip), ()).geolocation.city

    assert city(HOME) == "Unknown"
    _database(path)
    assert city(HOME) == "Unknown"
    enricher.reload()
    assert city(HOME) == city(f"::ffff:{HOME}") == "London"
    assert city("2001:4860:4860::8888") == "Mountain View"
    assert city("8.8.8.8") == city("") == city("nonsense") == "Unknown"
    scratch = tmp_path / "broken"
    scratch.write_bytes(b"not a database")
    scratch.replace(path)
    enricher.reload()
    assert city(HOME) == "London"
    assert any("cannot be read" in problem for problem in enricher.problems())
    path.unlink()
    enricher.reload()
    assert city(HOME) == "Unknown"


def test_only_the_country_of_an_apple_open(tmp_path: Path) -> None:
    """A relay's city is not the reader's."""
    geo = Geo(_database(tmp_path / "geo.mmdb", {"172.224.0.0/12": LONDON}))
    enricher = Enricher(ranges=Ranges(None), geo=geo)
    labelled = enricher.label(capture(Act.OPEN, "Mozilla/5.0", APPLE_RELAY), ())
    assert labelled.verdict.bot == "apple"
    assert labelled.geolocation == Geolocation(country="GB")


def _packed(path: Path, form: str, directory: Path) -> Path:
    if form == "mmdb":
        return path
    target = directory / f"packed.{form}"
    if form == "gz":
        target.write_bytes(gzip.compress(path.read_bytes()))
    else:
        with tarfile.open(target, "w:gz") as archive:
            archive.add(path, "GeoLite2-City_20261101/GeoLite2-City.mmdb")
    return target


@pytest.mark.parametrize("form", ["mmdb", "gz", "tar.gz"])
def test_install_in_every_packing(tmp_path: Path, form: str) -> None:
    """The file lands whole, with a record of where it came from; the old one is kept."""
    path = tmp_path / "data" / "geo.mmdb"
    packed = _packed(_database(tmp_path / "new.mmdb"), form, tmp_path)
    for _ in range(2):
        install(packed, path, vendor="dbip", source="test", clock=ManualClock())
    assert Geo(path).present
    record = load_geo_record(path)
    assert record is not None
    assert "DB-IP" in record.attribution
    assert path.with_name("geo.mmdb.previous").exists()
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "geo.mmdb", "geo.mmdb.json", "geo.mmdb.previous",
    ]  # fmt: skip


def _bad_files(directory: Path) -> dict[str, Path]:
    write_mmdb(directory / "asn.mmdb", {"81.2.69.0/24": {"asn": 1}}, "ASN")
    whole = gzip.compress(_database(directory / "city.mmdb").read_bytes())
    (directory / "cut.gz").write_bytes(whole[: len(whole) // 2])
    (directory / "text").write_text("<html>not found</html>")
    with tarfile.open(directory / "empty.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("README"), io.BytesIO())
    names = ("asn.mmdb", "cut.gz", "text", "empty.tar.gz")
    return {name: directory / name for name in names}


@pytest.mark.parametrize("name", ["asn.mmdb", "cut.gz", "text", "empty.tar.gz"])
def test_a_bad_file_changes_nothing(tmp_path: Path, name: str) -> None:
    """The database in use stays, and the error says what is wrong."""
    path = tmp_path / "geo.mmdb"
    install(_database(tmp_path / "new.mmdb"), path, vendor="dbip", source="x", clock=ManualClock())
    before = path.read_bytes()
    with pytest.raises(PeerError):
        install(_bad_files(tmp_path)[name], path, vendor="dbip", source="x", clock=ManualClock())
    assert path.read_bytes() == before


def test_a_database_that_shrank_must_be_forced(tmp_path: Path) -> None:
    """A truncated release is not believed by itself."""
    path = tmp_path / "geo.mmdb"
    rows = {
        f"81.2.{third}.0/24": LONDON | {"city": {"names": {"en": str(third)}}}
        for third in range(200)
    }
    large = _database(tmp_path / "large.mmdb", rows)
    small = _database(tmp_path / "small.mmdb", {"81.2.69.0/24": LONDON})
    clock = ManualClock()
    install(large, path, vendor="dbip", source="x", clock=clock)
    with pytest.raises(PeerError, match="--force"):
        install(small, path, vendor="dbip", source="x", clock=clock)
    install(small, path, vendor="dbip", source="x", clock=clock, force=True)


async def test_dbip_falls_back_to_last_month(tmp_path: Path) -> None:
    """The month's file appears some days into the month."""
    clock = ManualClock()
    _, last = months(clock)

    async def serve(request: web.Request) -> web.Response:
        if request.match_info["name"] != f"{last}.gz":
            raise web.HTTPNotFound
        return web.Response(body=b"database")

    app = web.Application()
    app.router.add_get("/{name}", serve)
    async with TestServer(app) as server:
        address = str(server.make_url("/")) + "{month}.gz"
        url = await fetch_dbip(tmp_path / "x", clock, address=address)
        assert url.endswith(f"/{last}.gz")
        assert (tmp_path / "x").read_bytes() == b"database"
        with pytest.raises(PeerError, match="404"):
            await fetch_dbip(tmp_path / "x", ManualClock(0), address=address)


async def test_maxmind_needs_and_sends_the_account(tmp_path: Path) -> None:
    """Without settings it says which; with them they go as basic authentication."""

    async def serve(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Authorization"])

    app = web.Application()
    app.router.add_get("/db", serve)
    with pytest.raises(OperatorError, match="EDGE_MAXMIND_LICENSE_KEY"):
        await fetch_maxmind(tmp_path / "x", "", "")
    async with TestServer(app) as server:
        await fetch_maxmind(tmp_path / "x", "7", "key", address=str(server.make_url("/db")))
    assert (tmp_path / "x").read_text() == "Basic " + b64encode(b"7:key").decode()


def test_months_of_january() -> None:
    """The month before January is last year's December."""
    assert months(ManualClock(1_767_312_000)) == ("2026-01", "2025-12")
