"""A worker's certificates, tended once a second, and what each connection was accepted for.

The listener's context was made before the fork, so that tickets resume on every worker; what SNI
picks is read by each worker itself from the key directory (:mod:`certs.sni`). A handshake for a
name that is not there costs a look in a dictionary: nothing is read, asked or logged for it.
"""

import asyncio
import sys
from typing import Final

import structlog

from certs.sni import Certificates, server_name
from edge.observe import metrics

log = structlog.get_logger()

_MOST_TOLD: Final = 20
"""Faulty files named in the log after one look; the metric has them all."""


def name_of(transport: asyncio.BaseTransport) -> bytes:
    """The name that a TLS connection was opened for, spelled as a host key; empty if none."""
    return server_name(transport.get_extra_info("ssl_object")).encode()


class Handshakes:
    """Keeps the certificates of one worker fresh, tells what is wrong with files, and counts."""

    def __init__(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self._told: dict[str, str] = {}
        self._refused = certificates.refused
        self._misses = certificates.misses

    async def tend(self) -> None:
        """Take up what changed in the directory. What cannot be read is served as it was.

        A thread does the looking: ten thousand files would make requests wait.
        """
        found = self.certificates
        try:
            found.take(await asyncio.to_thread(found.look))
        except OSError as error:
            log.error("the certificates cannot be listed; those known stay", error=str(error))
        faults = dict(found.faults)
        if found.default_fault is not None:
            faults["(default)"] = found.default_fault
        if faults != self._told:
            fresh = [(host, text) for host, text in faults.items() if self._told.get(host) != text]
            for host, text in fresh[:_MOST_TOLD]:
                log.error("a certificate is not served", host=host, error=text)
            self._told = faults

    def publish(self) -> None:
        """Add to the shared metrics what came since the last call."""
        found = self.certificates
        metrics.CERTIFICATES_KNOWN.set(found.known)
        metrics.CERTIFICATES_FAULTY.set(len(self._told))
        metrics.CERTIFICATE_LOADS.inc(found.misses - self._misses)
        metrics.NAMES_REFUSED.inc(found.refused - self._refused)
        self._misses, self._refused = found.misses, found.refused


def unraisable(found: "sys.UnraisableHookArgs") -> None:
    """A ``sys.unraisablehook``: a line in the log instead of a traceback on standard error.

    Python calls it for each server name that is not ASCII, before any code of ours, and then ends
    the handshake by itself: that is nothing to log, as anybody can send one.
    """
    if isinstance(found.exc_value, UnicodeDecodeError) and isinstance(found.object, bytes):
        return
    log.error("exception ignored", error=repr(found.exc_value), at=repr(found.object))
