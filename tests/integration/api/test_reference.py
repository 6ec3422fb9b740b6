"""The API's description: complete, valid, served, and readable without script."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import jsonschema

from edge.api import openapi
from edge.api.openapi import RESOURCES
from edge.api.reference import slug
from edge.api.routes import ROUTES
from edge.store.pool import Pool
from tests.integration.api.worlds import serving

DOCUMENT = openapi.document("http://127.0.0.1:8025")


def test_every_route_is_described_and_every_description_has_a_route() -> None:
    """Neither can be added or removed alone."""
    assert openapi.undescribed() == (set(), set())
    paths = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert paths == {(route.method, route.path) for route in ROUTES}


def test_every_call_is_told_apart_and_explains_itself() -> None:
    """Names are unique; every parameter, every place in a path and every error says what it is."""
    names = []
    for item in DOCUMENT["paths"].values():
        for call in item.values():
            names.append(call["operationId"])
            assert call["summary"]
            assert "For keys with the role" in call["description"]
            assert all(
                one["description"].endswith((".", ",", "else")) for one in call["parameters"]
            )
            assert {"400", "401", "403", "404", "413", "429", "503"} <= set(call["responses"])
    assert len(names) == len(set(names)) == len(ROUTES)


def test_every_shape_is_a_valid_schema() -> None:
    """JSON Schema, draft 2020-12; every reference leads somewhere."""
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return found.union(*(references(one) for one in value.values()))
        if isinstance(value, list):
            return set().union(*(references(one) for one in value))
        return set()

    assert references(DOCUMENT) <= {f"#/components/schemas/{name}" for name in schemas}


class _Page(HTMLParser):
    """What a page loads, links to and says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.anchors += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def test_the_pages_are_whole_and_load_nothing(db: Pool) -> None:
    """Every call is on its page; no script, nothing from elsewhere; the style is the policy's."""
    async with serving(db) as world:
        index = await world.ask("GET", "/docs", key="")
        assert index.status == 200
        seen, links, anchors = "", set[str](), set[str]()
        for title in ("", *(f"/{slug(one.TITLE)}" for one in RESOURCES)):
            got = await world.ask("GET", f"/docs{title}", key="")
            assert got.status == 200
            text = got.body.decode()
            page = _Page(text)
            assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
            assert all(link.startswith("/") for link in page.links)
            style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
            assert style is not None
            digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
            policy = got.headers["Content-Security-Policy"]
            assert f"style-src 'sha256-{digest}'" in policy
            assert "default-src 'none'" in policy
            seen += " ".join(page.words) if title else ""
            anchors |= {f"/docs{title}#{anchor}" for anchor in page.anchors}
            links |= set(page.links)
        for link in links:
            assert (await world.ask("HEAD", link, key="")).status == 200, link
        assert {link for link in links if "#" in link} == anchors
        for route in ROUTES:
            assert f"{route.method} {route.path}" in seen
        assert (await world.ask("GET", "/docs/nothing", key="")).status == 404


async def test_the_document_is_served_without_a_key(db: Pool) -> None:
    """With the installation's own address, and as the tests hold answers against."""
    async with serving(db, public_url="https://api.example.com") as world:
        got = await world.ask("GET", "/openapi.json", key="")
    assert got.status == 200
    assert got.json["servers"] == [{"url": "https://api.example.com"}]
    assert got.json["paths"] == DOCUMENT["paths"]


async def test_a_host_header_is_not_believed(db: Pool) -> None:
    """What a page shows as its address is the installation's setting, whoever asks."""
    async with serving(db) as world:
        got = await world.ask("GET", "/docs", key="", headers={"Host": "evil.example"})
    assert b"evil.example" not in got.body
    assert world.url.encode() in got.body
