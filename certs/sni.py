"""Which certificate a handshake gets: a directory of key files, and an LRU of contexts.

How to think about it: :meth:`Certificates.refresh` lists the directory, off the handshake's path;
the callback only looks a name up in that list. A name from a handshake is hostile (it may hold
slashes, NULs, 255 octets): it is compared, never made into a path. A host that is not in the list
is refused with ``unrecognized_name`` at the cost of one dictionary look-up; nothing is ordered,
asked or logged for it.

It promises that a changed file is served from the next handshake after a refresh, and that a
broken one leaves the context that was served before. Files must be regular, 0600, and their
owner's. A context costs 24 KiB and 0.9 ms to build, which the one handshake that misses pays.
"""

import os
import ssl
import stat
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from certs import groups
from certs.clock import Clock
from certs.tls import server_context

Connection = ssl.SSLObject | ssl.SSLSocket
Stamp = tuple[int, int, int]
SUFFIX = ".pem"
_NAME = "chosen_for"
# A change within a tick of the file system's clock may leave a directory's time as it was.
TICK = 1.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What a look at the directory saw, and when the directory had changed."""

    seen: tuple[int, bool]
    stamps: dict[str, Stamp]
    faults: dict[str, str]


class Certificates:
    """The contexts of the hosts in ``directory``, at most ``size`` of them in memory.

    ``default`` is a file of key and chain for handshakes without SNI, and the listener's own; it
    may be replaced, too. It can also be a context of :func:`certs.tls.server_context`, which then
    stays; ``names`` are those it is served for by SNI (``*.`` stands for one label). Without a
    directory it is all there is. ``owner`` is the user whose files are served, if not this one.

    ``faults`` are hosts whose file is not served as it stands, with the reason; ``default_fault``
    is the default's. For one thread, an event loop's, but for :meth:`look`.
    """

    def __init__(
        self,
        directory: Path | None,
        default: Path | ssl.SSLContext,
        clock: Clock,
        size: int = 3000,
        *,
        names: Collection[str] = (),
        owner: int | None = None,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._size = size
        self._names = frozenset(name.lower() for name in names)
        self._owner = os.geteuid() if owner is None else owner
        self._stamps: dict[str, Stamp] = {}
        self._contexts: OrderedDict[str, tuple[Stamp, ssl.SSLContext]] = OrderedDict()
        self._seen: tuple[int, bool] | None = None
        self._broken: dict[str, tuple[Stamp, str]] = {}
        self.faults: dict[str, str] = {}
        self.default_fault: str | None = None
        self.misses = 0
        self.refused = 0
        self._default: tuple[Path, Stamp] | None = None
        if isinstance(default, Path):
            self._default = default, _stamp(default.stat())
            self.listener = server_context(default)
        else:
            self.listener = default
        groups.narrow(self.listener)
        self.listener.sni_callback = self.choose
        self._nameless = self.listener
        self.refresh()

    def __contains__(self, host: str) -> bool:
        return host in self._stamps or self._is_defaults(host)

    @property
    def known(self) -> int:
        """How many hosts have a file that is served."""
        return len(self._stamps)

    def refresh(self) -> bool:
        """List the directory again if it changed; True if it was listed. Call it every second.

        OSError if the directory cannot be read: what is known is served on. A loop that must not
        wait for a big directory calls :meth:`look` in a thread, and :meth:`take` with what it saw.
        """
        listing = self.look()
        self.take(listing)
        return listing is not None

    def look(self) -> Listing | None:
        """What the directory holds; None if it did not change since the last one was taken.

        Changes are renames into the directory, so its own time tells; listing 10,000 files takes
        some 50 ms. OSError if it cannot be read.
        """
        if self._directory is None:
            return None
        changed = self._directory.stat().st_mtime_ns
        if self._seen == (changed, True):
            return None
        settled = self._clock.now() - changed / 1e9 > TICK
        stamps: dict[str, Stamp] = {}
        faults: dict[str, str] = {}
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.endswith(SUFFIX):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                host = entry.name.removesuffix(SUFFIX).lower()
                if fault := _fault(status, self._owner):
                    faults[host] = fault
                else:
                    stamps[host] = _stamp(status)
        return Listing((changed, settled), stamps, faults)

    def take(self, listing: Listing | None) -> None:
        """Serve by what was seen from now on, and by the default file as it is now."""
        self._refresh_default()
        if listing is None:
            return
        stamps, faults = listing.stamps, dict(listing.faults)
        self._broken = {
            host: broken for host, broken in self._broken.items() if stamps.get(host) == broken[0]
        }
        faults |= {host: text for host, (_, text) in self._broken.items()}
        self._stamps, self.faults, self._seen = stamps, faults, listing.seen
        for host in [host for host in self._contexts if host not in stamps]:
            del self._contexts[host]

    def _refresh_default(self) -> None:
        """Take up a replaced default file. The listener itself stays, and its ticket keys."""
        if self._default is None:
            return
        path, before = self._default
        try:
            stamp = _stamp(path.stat())
            if stamp != before:
                self._default = path, stamp
                self._nameless = server_context(path)
                self.default_fault = None
        except (OSError, ssl.SSLError) as error:
            self.default_fault = f"{path} is not taken up: {error}"

    def choose(self, connection: Connection, name: str | None, _: ssl.SSLContext) -> int | None:
        """The listener's ``sni_callback``: set the connection's context, or return an alert."""
        if name is None:
            connection.context = self._nameless
            return None
        context = self.context(name)
        if context is None:
            self.refused += 1
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = context
        setattr(connection, _NAME, name.lower())
        return None

    def _is_defaults(self, host: str) -> bool:
        names = self._names
        return bool(names) and (host in names or f"*.{host.partition('.')[2]}" in names)

    def context(self, name: str) -> ssl.SSLContext | None:
        """The context of a host, or None if there is no certificate for it."""
        host = name.lower()
        stamp = self._stamps.get(host)
        if stamp is None:
            return self._nameless if self._is_defaults(host) else None
        kept = self._contexts.get(host)
        if kept is not None and kept[0] == stamp:
            self._contexts.move_to_end(host)
            return kept[1]
        return self._load(host, stamp, kept)

    def _load(
        self, host: str, stamp: Stamp, kept: tuple[Stamp, ssl.SSLContext] | None
    ) -> ssl.SSLContext | None:
        self.misses += 1
        assert self._directory is not None  # it was listed
        try:
            # ``host`` is a key of the listing here: the name of a file that is really there.
            context = server_context(self._directory / f"{host}{SUFFIX}")
        except (OSError, ssl.SSLError) as error:
            self._broken[host] = (stamp, str(error))
            self.faults[host] = str(error)
            if kept is None:
                del self._stamps[host]
                return None
            context = kept[1]
        self._contexts[host] = (stamp, context)
        self._contexts.move_to_end(host)
        if len(self._contexts) > self._size:
            self._contexts.popitem(last=False)
        return context


def server_name(connection: object) -> str:
    """The name that a connection was accepted for, in lower case; empty if it gave none.

    ``connection`` is what ``choose`` was called with: asyncio's ``ssl_object``, or an SSLSocket.
    """
    return getattr(connection, _NAME, "")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _fault(status: os.stat_result, owner: int) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file"
    if status.st_mode & 0o077:
        return f"mode {stat.S_IMODE(status.st_mode):o}: others may read the key"
    if status.st_uid != owner:
        return "owned by another user"
    return None
