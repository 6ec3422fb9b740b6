"""The gate before each certificate: does the name lead here, and does port 80 answer?

Implements :class:`certs.storage.Gate`. A few DNS questions, one answered request. What the owner
of the name has to mend is a CustomerError; a dead resolver, an edge name without address or a port
80 that is not ours is an OperatorError, and no customer is blamed for it. Whether the name is one
of ours at all is the business of whoever keeps the rows.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from certs.errors import CustomerError, OperatorError
from edge.doctor import probing, tracking
from edge.doctor.facts import Answer, Chain, Outcome, Probe, Status, TrackingFacts
from edge.doctor.findings import Finding
from edge.doctor.look import Looker

log = structlog.get_logger()

MOST_CONNECTIONS: Final = 3
"""Addresses that are tried until one answers."""


class Gate:
    """Lets pass what leads to one of ``edges`` by two resolvers, and answers our probe there.

    ``http_port`` is port 80 as the outside sees it. Addresses are those of the edge name, never a
    customer's: that is all this connects to. ``patience`` are pauses in seconds before the probe is
    sent again where something else answered: an edge that has not heard of a new host yet says 404.
    """

    def __init__(
        self,
        looker: Looker,
        secret: bytes,
        edges: Sequence[str],
        *,
        http_port: int = 80,
        timeout: float = probing.SECONDS,
        patience: Sequence[float] = (),
    ) -> None:
        self._looker = looker
        self._secret = secret
        self._edges = tuple(edges)
        self._port = http_port
        self._timeout = timeout
        self._patience = tuple(patience)
        self._told = False

    async def __call__(self, name: str) -> None:
        """Return if the name leads here; else raise, see the module."""
        servers = self._looker.servers[:2]
        if not servers or not self._edges:
            missing = "EDGE_PUBLIC_HOST" if servers else "a DNS resolver (EDGE_RESOLVERS)"
            raise OperatorError(f"{missing} is not set: whether {name} leads here is unknown")
        if len(servers) == 1 and not self._told:
            self._told = True
            log.warning("only one DNS resolver: nobody checks what it says", resolver=servers[0][0])
        chains = await asyncio.gather(
            *(self._looker.chain(name, until=self._edges, server=server) for server in servers)
        )
        for chain in chains:
            if chain.edge(self._edges) is None:
                raise await self._refusal(name, chains)
        await self._answers(name, str(chains[0].edge(self._edges)))

    async def _refusal(self, name: str, chains: Sequence[Chain]) -> Exception:
        """Who must act, and how."""
        if any(chain.end is Status.FAILED for chain in chains) and not await self._resolvers_live():
            return OperatorError(
                f"a DNS resolver does not answer ({chains[0].why or chains[-1].why}): see to it, "
                "or name others in EDGE_RESOLVERS"
            )
        nothing = Answer(name, "A", Status.EMPTY)
        v4, v6, is_zone = nothing, nothing, False
        if chains[0].end not in {Status.FAILED, Status.BOGUS}:
            v4, v6, is_zone = await asyncio.gather(
                self._looker.ask(name, "A"),
                self._looker.ask(name, "AAAA"),
                self._looker.is_zone(name),
            )
        facts = TrackingFacts(
            host=name,
            edges=self._edges,
            edge_addresses=frozenset(await self._looker.addresses(self._edges[0])),
            chains=tuple(chains),
            v4=v4,
            v6=v6,
            is_zone=is_zone,
        )
        found = [one for one in tracking.check(facts) if one.code != "edge-name-unresolved"]
        return CustomerError(_told(found) or _half_answered(name, chains))

    async def _resolvers_live(self) -> bool:
        """Whether every resolver still answers for a name that is not the customer's."""
        answers = await asyncio.gather(
            *(
                self._looker.ask_at(server, self._edges[0], "A")
                for server in self._looker.servers[:2]
            )
        )
        return all(answer.status is not Status.FAILED for answer in answers)

    async def _answers(self, name: str, edge: str) -> None:
        addresses = await self._looker.addresses(edge)
        if not addresses:
            raise OperatorError(f"{edge} has no address: create an A record for it")
        tried = await self._probed(name, addresses)
        for pause in self._patience:
            if tried[-1].outcome is not Outcome.OTHER:
                break
            await asyncio.sleep(pause)
            tried = await self._probed(name, addresses)
        if tried[-1].outcome is not Outcome.OURS:
            raise OperatorError(_told(tracking.port_80(name, tried)))

    async def _probed(self, name: str, addresses: Sequence[str]) -> list[Probe]:
        """What each address said, up to the first that was reached."""
        tried: list[Probe] = []
        for address in addresses[:MOST_CONNECTIONS]:
            found = await probing.probe(
                self._secret, name, address, self._port, timeout=self._timeout
            )
            tried.append(found)
            if found.outcome not in {Outcome.UNREACHABLE, Outcome.NO_ROUTE}:
                break
        return tried


def _half_answered(name: str, chains: Sequence[Chain]) -> str:
    why = next((chain.why for chain in chains if chain.why), "no answer")
    return (
        f"{name}: one of two resolvers gets no answer for it ({why}), the other sees it leading "
        "here. See whether all name servers of the domain answer."
    )


def _told(findings: Sequence[Finding]) -> str:
    return " ".join(f"{one.about}: {one.seen}. {one.mend}" for one in findings)
