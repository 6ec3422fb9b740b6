"""What an analyst sees: everything but who it was, on no page, in no file, in no address."""

from urllib.parse import quote

from edge.panel.routes import ROUTES
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.seeding import ANN, ATTACKS, BOB, DOMAIN, EVE, SECRETS, seed
from tests.integration.panel.test_permissions import path_of
from tests.integration.panel.worlds import Visitor, serving


async def _events(visitor: Visitor) -> list[str]:
    """Addresses of every event's page that the logs link to."""
    found = []
    for word in ("opened", "clicked", "failed", "delivered", "unsubscribed"):
        page = await visitor.get(f"/logs?domain={DOMAIN}&event={word}")
        found += [part.split('"')[0] for part in page.text.split('href="/logs/')[1:]]
    return [f"/logs/{one}" for one in found if one and not one.startswith(("export", "?"))]


async def test_no_answer_names_a_recipient_to_an_analyst(db: Pool) -> None:
    """Every route, every list, every event's page and JSON, every export."""
    async with db.acquire() as conn:
        first = (await seed(conn, more=5))[0]
    async with serving(db) as world, world.visitor(Role.ANALYST) as analyst:
        events = await _events(analyst)
        assert len(events) > 20
        paths = [path_of(route, first) for route in ROUTES if route.method == "GET"]
        paths += [f"/logs?domain={DOMAIN}", f"/logs?domain={DOMAIN}&subject=what"]
        paths += events + [f"{path}/json" for path in events]
        paths += [f"/logs/export?domain={DOMAIN}&format={form}" for form in ("csv", "json")]
        for kind in ("bounces", "unsubscribes", "complaints", "whitelists"):
            paths.append(f"/suppressions?domain={DOMAIN}&kind={kind}")
            paths.append(f"/suppressions/export?domain={DOMAIN}&kind={kind}")
        for path in paths:
            page = await analyst.get(path)
            assert page.status < 500, path
            for secret in SECRETS:
                assert secret not in page.text, (path, secret)
                assert secret not in str(page.headers), (path, secret)
        page = await analyst.get(f"/logs/export?domain={DOMAIN}")
        assert "a•••@example.net" in page.text
        second = await analyst.get(f"/suppressions?domain={DOMAIN}&kind=bounces")
        assert "after=" in second.text
        assert "gone0" not in second.text


async def test_an_analyst_cannot_find_a_recipient_by_asking(db: Pool) -> None:
    """A search that answers yes or no is a way to read; so is a prefix of a list."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=5)
    async with serving(db) as world:
        asked = [
            f"/logs?domain={DOMAIN}&recipient={quote(ANN)}",
            f"/logs/export?domain={DOMAIN}&recipient={quote(ANN)}",
            *(
                f"/logs?domain={DOMAIN}&field={field}&expression=ann"
                for field in ("recipient", "recipients", "to")
            ),
            f"/suppressions?domain={DOMAIN}&term=eve",
            f"/suppressions/export?domain={DOMAIN}&term=eve",
        ]
        async with world.visitor(Role.ANALYST) as analyst:
            for path in asked:
                page = await analyst.get(path)
                assert page.status == 400, path
                assert "masked" in page.words
        async with world.visitor(Role.SUPPORT) as support:
            for path in asked:
                assert (await support.get(path)).status == 200, path


async def test_others_see_recipients_and_attacks_as_text(db: Pool) -> None:
    """The masking is the role's, not the page's."""
    async with db.acquire() as conn:
        ids = await seed(conn, more=5)
    async with serving(db) as world, world.visitor(Role.SUPPORT) as support:
        page = await support.get(f"/logs?domain={DOMAIN}")
        for address in (ANN, BOB, EVE):
            assert address in page.words
        for number, attack in enumerate(ATTACKS):
            page = await support.get(f"/logs/{ids[number]}")
            assert page.status == 200
            assert "<" not in attack or attack not in page.text
            assert attack in page.words.replace("\n", " ") or "<" in attack
