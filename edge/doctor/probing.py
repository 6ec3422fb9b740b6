"""Does port 80 of a host lead to us? Our own nonce, asked for through the public name.

Only addresses that the caller knows to be the edge's or a known proxy's are connected to, never
just any that a customer's DNS names: nobody can make this machine talk to its own network.
"""

import base64
import hmac
import secrets
from collections.abc import Callable
from typing import Final

from edge.doctor import fetch
from edge.doctor.facts import Outcome, Probe
from edge.doctor.findings import shown
from edge.model.probe import PREFIX, probe_answer

SECONDS: Final = 5.0
"""For one probe, from connecting to the last byte."""


def nonce(entropy: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A new one: 24 random bytes."""
    return base64.urlsafe_b64encode(entropy(24)).decode()


def judged(address: str, response: fetch.Response, expected: str) -> Probe:
    """What an answer shows. Only our own answer counts, whatever its status; a proxy may change
    framing and headers, so the body has to hold it rather than be it.
    """
    if _holds(response.body, expected):
        return Probe(address, Outcome.OURS)
    if 300 <= response.status < 400:
        where = response.headers.get("location", "nowhere")
        return Probe(address, Outcome.REDIRECT, shown(f"{response.status} to {where}"[:200]))
    return Probe(address, Outcome.OTHER, shown(f"status {response.status}"))


def _holds(body: bytes, expected: str) -> bool:
    wanted = expected.encode()
    found = body.find(wanted[:8])
    return found >= 0 and hmac.compare_digest(body[found : found + len(wanted)], wanted)


async def probe(
    secret: bytes, host: str, address: str, port: int = 80, *, timeout: float = SECONDS
) -> Probe:
    """Ask one address; never raises for what the network or a stranger does."""
    asked = nonce()
    try:
        response = await fetch.get(address, port, host, PREFIX + asked, timeout=timeout)
    except ValueError as error:
        return Probe(address, Outcome.OTHER, str(error))
    except TimeoutError:
        return Probe(address, Outcome.UNREACHABLE, f"no answer in {timeout:g} s")
    except OSError as error:
        outcome = Outcome.NO_ROUTE if error.errno in fetch.NO_ROUTE else Outcome.UNREACHABLE
        return Probe(address, outcome, error.strerror or type(error).__name__)
    return judged(address, response, probe_answer(secret, asked))
