"""The supervisor: binds, forks, restarts, drains.

Synchronous and single-threaded, so that it can fork at any moment. It opens what children must
inherit (sockets, TLS context, master key, Postgres), forks them by role, and from then on only
waits: for a child's death (restart), SIGTERM or SIGINT (drain), SIGHUP (reload). It does no work of
theirs, so nothing that a request carries can kill it. Killed itself, its children notice by the
closed pipe and the death signal, and the next supervisor waits for what they still hold.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from edge import app
from edge.adapters import certificates, child_process, data_directory, listening, preload
from edge.adapters.opening import open_all
from edge.clock import Clock, SystemClock
from edge.model.errors import EdgeError, OperatorError
from edge.observe import logs, metrics
from edge.settings import Settings, share_metrics
from edge.store.embedded import Cluster

log = structlog.get_logger()

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 10.0
SETTLED: Final = 30.0
"""Seconds that a child has to live for its next restart to be quick again."""

GRACE: Final = 10.0
"""Seconds that a child has to drain before it is killed."""

TICKET_KEYS: Final = 12 * 3600.0
"""Seconds after which the TLS ticket keys are replaced, by a new context and a rolling restart."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_STARTUP_ONLY = frozenset(
    {"data_dir", "database_url", "http_bind", "https_bind", "control_bind", "smtp_bind"}
    | {"smtps_bind", "panel_bind", "returns_bind", "workers", "user", "master_key_file"}
)


@dataclass
class Child:
    """One child and its luck so far. ``pid`` is 0 while it does not run."""

    work: str
    index: int
    numbered: bool
    pid: int = 0
    started: float = 0.0
    due: float = 0.0
    delay: float = FIRST_DELAY
    stop_by: float | None = None
    done: bool = False

    @property
    def name(self) -> str:
        """As in the process title: ``tracking 0``, ``ingest``."""
        return f"{self.work} {self.index}" if self.numbered else self.work


class Supervisor:
    """One ``edge serve``. :meth:`run` returns the exit status."""

    def __init__(
        self,
        settings: Settings,
        role: str,
        reload: Callable[[], Settings],
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._role = role
        self._reload = reload
        works = app.ROLES[role]
        self._settings, self._open = open_all(
            settings,
            tracks=app.TRACKING in works,
            sends=app.SENDING in works,
            clock=self._clock,
        )
        self._children = self._plan()
        self._rolling: list[Child] = []
        self._stopping = False
        self._hurry = False
        self._context_made = self._clock.monotonic()
        self._pipe = os.pipe()
        self._wake = os.pipe()

    def _plan(self) -> list[Child]:
        children = []
        for work in app.ROLES[self._role]:
            count = self._settings.worker_count if work == app.TRACKING else 1
            children += [Child(work, index, work == app.TRACKING) for index in range(count)]
        if app.TRACKING in app.ROLES[self._role]:
            children.append(Child(app.FIRST_RUN, 0, numbered=False))
        return children

    def run(self) -> int:
        """Supervise until told to stop."""
        child_process.title("supervisor")
        child_process.no_core_dumps()
        child_process.many_files()
        self._share_metrics()
        preload.everything()
        self._catch_signals()
        gc.collect()
        gc.freeze()
        log.info(
            "serving",
            http=str(self._settings.http_bind) if self._open.http else None,
            https=str(self._settings.https_bind) if self._open.https else None,
            control=str(self._settings.control_bind),
            panel=str(self._settings.panel_bind) if self._open.panel else None,
            smtp=str(self._settings.smtp_bind) if self._open.smtp else None,
            smtps=str(self._settings.smtps_bind) if self._open.smtps else None,
            returns=str(self._settings.returns_bind) if self._open.returns else None,
            data_dir=str(self._settings.data_dir),
            database="embedded" if self._open.cluster else "EDGE_DATABASE_URL",
            user=self._open.user.name if self._open.user else None,
        )
        try:
            while not self._finished():
                self._step()
        finally:
            self._kill_all(signal.SIGKILL)
            if self._open.cluster is not None:
                self._open.cluster.stop()
            self._open.lock.after_crash = False
            self._open.lock.end()
        log.info("stopped")
        return 0

    def _share_metrics(self) -> None:
        directory = data_directory.clear_metrics(self._settings.data_dir, self._open.user)
        share_metrics(directory)
        metrics.share(directory)
        if self._open.user is not None:
            for path in directory.iterdir():
                os.chown(path, self._open.user.uid, self._open.user.gid)

    def _catch_signals(self) -> None:
        for end in self._wake:
            os.set_blocking(end, False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)

    def _finished(self) -> bool:
        return self._stopping and not any(child.pid for child in self._children)

    def _step(self) -> None:
        """One turn: tend Postgres, start what is due, wait, answer signals, bury the dead."""
        now = self._clock.monotonic()
        if self._open.cluster is not None:
            self._tend_database(self._open.cluster)
        if not self._stopping:
            self._rotate_ticket_keys(now)
            self._roll(now)
            for child in self._children:
                if not child.pid and not child.done and child.due <= now:
                    self._spawn(child)
        for child in self._children:
            if child.pid and child.stop_by is not None and (now > child.stop_by or self._hurry):
                self._signal(child, signal.SIGKILL)
        for number in self._wait(now):
            self._answer(number)
        self._bury()

    def _tend_database(self, cluster: Cluster) -> None:
        try:
            cluster.tick()
        except (EdgeError, OSError) as error:
            log.error("the database cannot be started", error=str(error))

    def _wait(self, now: float) -> bytes:
        """Sleep until a signal comes or something is due, at most 0.25 s."""
        dues = [c.due for c in self._children if not c.pid and not c.done and not self._stopping]
        timeout = min([0.25, *(max(0.0, due - now) for due in dues)])
        ready, _, _ = select.select([self._wake[0]], [], [], timeout)
        return os.read(self._wake[0], 512) if ready else b""

    def _answer(self, number: int) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            self._hurry = self._stopping
            self._stop()
        elif number == signal.SIGHUP and not self._stopping:
            self._reload_settings()

    def _stop(self) -> None:
        if self._stopping:
            return
        log.info("stopping")
        self._stopping = True
        self._open.lock.tell("stopping")
        for child in self._children:
            self._ask_to_stop(child)

    def _ask_to_stop(self, child: Child) -> None:
        if child.pid:
            child.stop_by = self._clock.monotonic() + GRACE
            self._signal(child, signal.SIGTERM)

    def _signal(self, child: Child, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)

    def _kill_all(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.pid:
                self._signal(child, number)

    def _reload_settings(self) -> None:
        try:
            wanted = self._reload()
            wanted = wanted.model_copy(
                update={name: getattr(self._settings, name) for name in _STARTUP_ONLY}
                | {"data_dir": self._settings.data_dir}
            )
            found = listening.contexts(wanted)
            self._renew_certificates(wanted)
        except EdgeError as error:
            log.error("not reloaded", error=str(error))
            return
        self._open.control_context, self._open.panel_context = found.control, found.panel
        if not self._open.smtps or found.smtp is not None:  # TLS from the first byte needs one
            self._open.smtp_context = found.smtp
        self._settings = wanted
        logs.configure(wanted.log_level, "supervisor")
        self._rolling = [child for child in self._children if not child.done]
        log.info("reloading: every child is restarted, one after the other")

    def _renew_certificates(self, settings: Settings) -> None:
        """A listener's context with new ticket keys, for the children that are forked from now on.

        Nothing changes if there can be none just now, or if https was not opened at the start.
        Raises :class:`~edge.model.errors.OperatorError` for given files that are no certificate.
        """
        if self._open.https:
            fresh = certificates.opened(settings, self._open.user, self._clock)
            self._open.certificates = fresh or self._open.certificates
            self._context_made = self._clock.monotonic()

    def _rotate_ticket_keys(self, now: float) -> None:
        if not self._open.https or now - self._context_made <= TICKET_KEYS or self._rolling:
            return
        self._context_made = now
        try:
            self._renew_certificates(self._settings)
        except OperatorError as error:
            log.error("the TLS ticket keys stay: no new context", error=str(error))
            return
        self._rolling = [child for child in self._children if child.work == app.TRACKING]

    def _roll(self, now: float) -> None:
        """Restart the next child of a rolling restart once the one before is back."""
        if self._rolling and all(c.done or (c.pid and c.stop_by is None) for c in self._children):
            child = self._rolling.pop(0)
            if child.pid:
                self._ask_to_stop(child)
            else:
                child.due = now

    def _bury(self) -> None:
        """Reap every dead process; children of ours are restarted, strangers only reaped."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            cluster = self._open.cluster
            if cluster is not None and cluster.pid == found.si_pid:
                cluster.running()  # reaps it, and leaves the rest to the next tick
                continue
            _, status = os.waitpid(found.si_pid, 0)
            for child in self._children:
                if child.pid == found.si_pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        now = self._clock.monotonic()
        lived = now - child.started
        asked = child.stop_by is not None
        metrics.forget(child.pid)
        child.pid, child.stop_by = 0, None
        if child.work == app.FIRST_RUN and code == 0:
            child.done = True
            return
        if self._stopping or asked:
            child.due = now
            log.info("child ended", child=child.name, status=code)
            return
        if lived >= SETTLED:
            child.delay = FIRST_DELAY
        at_once = code < 0 and lived >= 1.0
        child.due = now if at_once else now + child.delay
        child.delay = child.delay if at_once else min(child.delay * 2, LONGEST_DELAY)
        metrics.CHILD_RESTARTS.labels(child.work).inc()
        log.warning(
            "child died", child=child.name, status=code, restart_in=round(child.due - now, 1)
        )

    def _spawn(self, child: Child) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_child(child, supervisor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        child.pid, child.started, child.stop_by = pid, self._clock.monotonic(), None

    def _be_child(self, child: Child, supervisor: int) -> None:
        """The child's whole life; never returns."""
        status = 1
        try:
            child_process.reset_signals()
            self._open.lock.leave()
            for descriptor in (self._pipe[1], *self._wake):
                os.close(descriptor)
            child_process.title(child.name)
            logs.configure(self._settings.log_level, child.name)
            if child.work == app.INGEST:
                preload.for_ingest()
            child_process.drop(self._open.user, supervisor)
            app.RUN[child.work](self._inheritance(child))
            status = 0
        except EdgeError as error:
            log.error("child failed", error=str(error))
        except BaseException as error:
            log.error("child failed", error=repr(error), exc_info=error)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _inheritance(self, child: Child) -> app.Inheritance:
        answers = app.CONTROL if app.CONTROL in app.ROLES[self._role] else app.INGEST
        mine = child.work == app.TRACKING
        return app.Inheritance(
            settings=self._settings,
            role=self._role,
            http=self._open.http if mine else [],
            https=self._open.https if mine else [],
            control=self._open.control if child.work == answers else [],
            panel=self._open.panel if child.work == app.CONTROL else [],
            smtp=self._open.smtp if child.work == app.SENDING else [],
            smtps=self._open.smtps if child.work == app.SENDING else [],
            returns=self._open.returns if child.work == app.SENDING else [],
            certificates=self._open.certificates if mine else None,
            control_context=self._open.control_context,
            smtp_context=self._open.smtp_context,
            panel_context=self._open.panel_context,
            vault=self._open.vault,
            dsn=self._open.dsn,
            parent_pipe=self._pipe[0],
            index=child.index,
            edge_id=self._open.edge_id,
            name=socket.gethostname(),
        )
