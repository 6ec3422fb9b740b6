"""What the figures were measured on, and what is missing to measure them."""

import os
import platform
import shutil
import socket
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

TOOLS = {
    "nginx": "apt-get install nginx-core",
    "wrk": "apt-get install wrk",
    "postgres": "apt-get install postgresql",
    "pebble": "apt-get install pebble",
    "smtp-sink": "apt-get install postfix",
}


def free_port() -> int:
    """A TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def postgres_binaries() -> Path | None:
    """Directory of the newest PostgreSQL of the system."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((p.parent for p in found), key=lambda p: int(p.parent.name), default=None)


def tool(name: str) -> str | None:
    """Path of a tool, also where only root's PATH has it."""
    if name == "postgres":
        found = postgres_binaries()
        return str(found / "postgres") if found else None
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def missing() -> list[str]:
    """Tools that are not there, each with how to get it (Debian)."""
    return [f"{name} ({how})" for name, how in TOOLS.items() if tool(name) is None]


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown"


def facts() -> list[tuple[str, str]]:
    """Machine and versions, as rows of a table."""
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    packages = ("aiohttp", "uvloop", "httptools", "asyncpg", "msgspec", "cryptography")
    return [
        ("Processor", f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores"),
        ("Memory", f"{memory:.0f} GiB"),
        ("System", f"{_system()}, Linux {platform.release().split('-')[0]}"),
        ("Python", platform.python_version()),
        ("Packages", ", ".join(f"{name} {version(name)}" for name in packages)),
        ("PostgreSQL", _first_line([tool("postgres") or "postgres", "--version"])),
        ("nginx", _first_line([tool("nginx") or "nginx", "-v"]).removeprefix("nginx version: ")),
        ("Load", f"{_first_line(['wrk', '-v']).split(' [')[0]}, on the same machine"),
    ]


def _system() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return platform.system()


def _cpu_times() -> tuple[int, int]:
    """Ticks that all processors were idle, and all ticks."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def busy(seconds: float = 1.0) -> float:
    """Share of the processors' time that others use now, 0 to 1; waits that long."""
    idle, total = _cpu_times()
    time.sleep(seconds)
    idle_after, total_after = _cpu_times()
    return 1 - (idle_after - idle) / max(1, total_after - total)
