"""A private PostgreSQL cluster in the data directory, supervised by ourselves.

Think of it as a postmaster that may die at any moment, like every other process here, and that may
also outlive whoever started it. Nothing is believed that was not asked of the server itself: it is
ready when it answers on its socket, and it is ours when its working directory is our cluster.

Promises: no TCP; the socket's directory is closed to others (0700) and passwords are scram; a
cluster is there whole or not at all (it is made aside and renamed); a start has no time limit,
because recovery may be long; a stop is PostgreSQL's fast one. After ``kill -9`` of the postmaster
its old backends hold the shared memory for a moment: starting is repeated until it stays up.

The caller holds the data directory's lock: two supervisors never meet here.
"""

import contextlib
import hashlib
import os
import re
import secrets
import select
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from edge.clock import Clock
from edge.model.errors import OperatorError
from edge.private_files import make_private_directory, sync_directory, write_private
from edge.service_user import ServiceUser
from edge.store import binaries as programs

log = structlog.get_logger()

ROLE: Final = "edge"
DATABASE: Final = "edge"
PORT: Final = 5432
"""Only part of the socket's name: nothing listens on TCP."""

_LONGEST_SOCKET_DIR = 80
"""``sockaddr_un`` holds 108 bytes (unix(7)), of which the socket's own name needs 15."""

_SAFE_PATH = re.compile(r"[A-Za-z0-9._/-]+")
"""``unix_socket_directories`` and database URLs both give commas, quotes and spaces a meaning."""

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
_FAST_STOP_SECONDS = 60.0


class Cluster:
    """The embedded cluster of one data directory (an absolute path)."""

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Clock,
        user: ServiceUser | None = None,
        candidates: list[programs.Binaries] | None = None,
    ) -> None:
        self.directory = data_dir / "postgres"
        self._data_dir = data_dir
        self._clock = clock
        self._user = user
        self._candidates = candidates
        self._binaries: programs.Binaries | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted: int | None = None
        self._delay = _FIRST_DELAY
        self._due = 0.0
        self._launched = 0.0
        self._told = 0.0
        self._ready = False

    @property
    def exists(self) -> bool:
        """Whether the cluster has been made."""
        return (self.directory / "PG_VERSION").exists()

    @property
    def binaries(self) -> programs.Binaries:
        """The programs for this cluster; OperatorError when there are none for its version."""
        if self._binaries is None:
            major = None
            if self.exists:
                major = int((self.directory / "PG_VERSION").read_text("ascii").split(".")[0])
            found = programs.installed() if self._candidates is None else self._candidates
            chosen = programs.choose(major, found)
            self._binaries = programs.reachable(chosen, self._user, self._data_dir)
        return self._binaries

    @property
    def socket_dir(self) -> Path:
        """Directory of the socket: in the data directory, or a short one where that is too long."""
        inside = self._data_dir / "run" / "postgres"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_DIR and _SAFE_PATH.fullmatch(str(inside)):
            return inside
        name = hashlib.sha256(os.fsencode(self._data_dir)).hexdigest()[:16]
        return Path("/tmp") / f"edge-{name}"  # noqa: S108 - made 0700 and checked for its owner

    @property
    def dsn(self) -> str:
        """URL for asyncpg; OperatorError when the password file is lost."""
        try:
            password = self._password_file.read_text("ascii").strip()
        except FileNotFoundError:
            raise OperatorError(
                f"{self._password_file} is missing: restore it from your backup (it belongs to the "
                "database in the same directory)"
            ) from None
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://{ROLE}:{password}@/{DATABASE}?host={host}&port={PORT}"

    @property
    def _password_file(self) -> Path:
        return self._data_dir / "postgres.password"

    def create(self) -> bool:
        """Make the cluster unless it exists; True when it was made now. Takes about a second."""
        if self.exists:
            return False
        if self.directory.exists() and any(self.directory.iterdir()):
            raise OperatorError(
                f"{self.directory} is not a database (it has no PG_VERSION); move it away, or "
                "restore it from your backup"
            )
        log.info("making the database", version=self.binaries.version, at=str(self.directory))
        password = secrets.token_urlsafe(24)
        write_private(self._password_file, password.encode() + b"\n", self._user)
        new = self.directory.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        initdb: list[str | Path] = [
            self.binaries.program("initdb"),
            "--pgdata", new,
            "--username", ROLE,
            "--pwfile", self._password_file,
            "--auth", "scram-sha-256",
            "--data-checksums",
            "--encoding", "UTF8",
            "--locale", "C",
        ]  # fmt: skip
        if self._run([*initdb, "--lc-ctype", "C.UTF-8"]) is not None:
            shutil.rmtree(new, ignore_errors=True)
            if (problem := self._run(initdb)) is not None:
                raise OperatorError(f"initdb failed: {problem}")
        single: list[str | Path] = [
            self.binaries.program("postgres"),
            "--single",
            "-D",
            new,
            "postgres",
        ]
        if (problem := self._run(single, f"CREATE DATABASE {DATABASE};\n")) is not None:
            raise OperatorError(f"creating the database failed: {problem}")
        if self.directory.exists():
            self.directory.rmdir()
        new.rename(self.directory)
        sync_directory(self._data_dir)
        return True

    def _identity(self) -> dict[str, object]:
        if self._user is None:
            return {}
        groups = list(self._user.groups)
        return {"user": self._user.uid, "group": self._user.gid, "extra_groups": groups}

    def _run(self, command: list[str | Path], text: str = "") -> str | None:
        done = subprocess.run(  # type: ignore[call-overload]  # the identity is spread from a dict
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=programs.ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            **self._identity(),
        )
        tail: str = (done.stderr or done.stdout)[-1500:].strip()
        return None if done.returncode == 0 else tail or f"exit status {done.returncode}"

    def tick(self) -> None:
        """Adopt, start or restart the postmaster as needed; call it about every 0.1 s.

        Never waits: readiness shows in :meth:`answer`, progress in the log.
        """
        now = self._clock.monotonic()
        if self.running():
            if not self._ready:
                self._watch_start(now)
            return
        if self._process is not None or self._adopted is not None:
            self._log_death(now)
        if now < self._due:
            return
        self._ready = False
        self._launched = self._told = now
        self._adopted = self._living_postmaster()
        if self._adopted is not None:
            log.info("adopted the running database", pid=self._adopted)
            return
        self._launch()

    def _watch_start(self, now: float) -> None:
        if self.answer() == "ready":
            self._ready = True
            self._delay = _FIRST_DELAY
            log.info("database ready", seconds=round(now - self._launched, 2))
        elif now - self._told > 5:
            self._told = now
            log.info("the database is starting (recovery may take long)", last=self._last_words())

    def _log_death(self, now: float) -> None:
        code = self._process.returncode if self._process else None
        log.warning("database ended", status=code, retry_in=self._delay, last=self._last_words())
        self._process, self._adopted = None, None
        self._due = now + self._delay
        self._delay = min(self._delay * 2, _LONGEST_DELAY)

    def running(self) -> bool:
        """Whether a postmaster that we started or adopted is alive, ready or not."""
        if self._process is not None:
            return self._process.poll() is None
        return self._adopted is not None and self._is_ours(self._adopted)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, if one runs."""
        return self._process.pid if self._process else self._adopted

    def answer(self) -> str:
        """What the server says on its socket: ``ready``, ``starting`` or ``down``."""
        return ask(self.socket_dir / f".s.PGSQL.{PORT}")

    def _launch(self) -> None:
        make_private_directory(self.socket_dir, self._user)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "max_connections": "60",
            "max_wal_size": "2GB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # The server's own log: a file for each day of the week, so bounded by one week.
            "logging_collector": "on",
            "log_destination": "jsonlog",
            "log_filename": "postgres-%a",
            "log_truncate_on_rotation": "on",
            "log_rotation_age": "1d",
            "log_rotation_size": "0",
        }
        command: list[str | Path] = [self.binaries.program("postgres"), "-D", self.directory]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self._words_file.open("wb") as words:
            self._process = subprocess.Popen(  # type: ignore[call-overload]  # the identity is spread from a dict
                command,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env=programs.ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                **self._identity(),
            )

    @property
    def _words_file(self) -> Path:
        return self._data_dir / "run" / "postgres.out"

    def _last_words(self) -> str:
        """The end of what the server said before or instead of opening its own log."""
        try:
            return self._words_file.read_text("utf-8", "replace").strip()[-300:]
        except FileNotFoundError:
            return ""

    def _pid_file(self) -> int | None:
        try:
            return int((self.directory / "postmaster.pid").read_text("ascii").split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def _living_postmaster(self) -> int | None:
        """A postmaster of this cluster that outlived its supervisor.

        ``postmaster.pid`` alone proves nothing: its number may long be another process's, and
        PostgreSQL then refuses to start if that process has the same user. We hold the data
        directory's lock, so a file whose process is not a postmaster of ours is stale.
        """
        pid = self._pid_file()
        if pid is None:
            return None
        if self._is_ours(pid):
            return pid
        if Path("/proc/self/cwd").exists():
            (self.directory / "postmaster.pid").unlink(missing_ok=True)
        return None

    def _is_ours(self, pid: int) -> bool:
        """Whether this process is alive and works in our cluster; a zombie does not."""
        if Path("/proc/self/cwd").exists():
            try:
                return Path(f"/proc/{pid}/cwd").readlink() == self.directory.resolve()
            except OSError:
                return False
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return self.answer() != "down"

    def stop(self) -> None:
        """PostgreSQL's fast shutdown; after 60 s its immediate one, from which it recovers."""
        pid = self.pid
        if pid is None or not self.running():
            return
        for number, patience in ((signal.SIGINT, _FAST_STOP_SECONDS), (signal.SIGQUIT, 10.0)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                break
            if self._ended_within(patience):
                break
            log.warning("the database is slow to stop", seconds=patience)
        self._process, self._adopted, self._ready = None, None, False
        if not self.socket_dir.is_relative_to(self._data_dir):
            with contextlib.suppress(OSError):  # not empty: something else was put there
                self.socket_dir.rmdir()
        log.info("database stopped")

    def _ended_within(self, seconds: float) -> bool:
        deadline = self._clock.monotonic() + seconds
        while self.running():
            if self._clock.monotonic() > deadline:
                return False
            pause(0.02)
        return True

    def start(self, seconds: float | None = None) -> None:
        """Start (or adopt) and wait until it answers; for commands that run without a server.

        Raises :class:`~edge.model.errors.OperatorError` after ``seconds``, with the last words.
        """
        begun = self._clock.monotonic()
        while self.answer() != "ready" or not self.running():
            self.tick()
            if seconds is not None and self._clock.monotonic() - begun > seconds:
                raise OperatorError(f"the database does not start: {self._last_words()}")
            pause(0.02)


def ask(path: Path) -> str:
    """``ready``, ``starting`` or ``down``, as ``pg_isready`` finds it out.

    Sends a StartupMessage (PostgreSQL documentation, 55.7) and reads the first byte: a request
    to authenticate means ready; an error 57P03 (cannot_connect_now) means starting or stopping; any
    other error, for example too many connections, comes from a server that serves.
    """
    body = struct.pack("!I", 196608) + f"user\0{ROLE}\0database\0{DATABASE}\0\0".encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(2.0)
            link.connect(str(path))
            link.sendall(struct.pack("!I", len(body) + 4) + body)
            reply = link.recv(1024)
    except TimeoutError:
        return "starting"
    except OSError:
        return "down"
    if not reply:
        return "down"
    return "starting" if reply[:1] == b"E" and b"C57P03\0" in reply else "ready"


def pause(seconds: float) -> None:
    """Wait without a clock: interrupted by nothing but the time itself."""
    select.select([], [], [], seconds)
