"""Load of new TLS connections: each a full TLS 1.3 handshake, one request, and the end.

A process of its own, so that what it takes is nobody else's: ``python -m benchmarks.handshaking
PORT FILE FIRST COUNT SECONDS`` takes lines of a requests file in turn, and prints how many
connections it made within the seconds, or once it has made COUNT.
"""

import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path


def drive(port: int, requests: Path, *, first: int = 0, count: int, seconds: float) -> int:
    """Run it to its end; the connections made. RuntimeError if one was not answered with 200."""
    numbers = (port, requests, first, count, seconds)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.handshaking", *map(str, numbers)],
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
    )
    if done.returncode:
        raise RuntimeError(f"the handshakes failed: {done.stdout}{done.stderr}")
    return int(done.stdout)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    return context


def _main(port: int, requests: Path, first: int, count: int, seconds: float) -> int:
    lines = requests.read_text().splitlines()
    context = _context()
    end, made = time.monotonic() + seconds, 0
    while made < count and time.monotonic() < end:
        host, path, agent = lines[(first + made) % len(lines)].split("\t")
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n"
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=host) as link,
        ):
            link.sendall(head.encode())
            answer = link.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{host}{path}: {answer[:200]!r}")
        made += 1
    return made


if __name__ == "__main__":
    _port, _file, _first, _count, _seconds = sys.argv[1:]
    print(_main(int(_port), Path(_file), int(_first), int(_count), float(_seconds)))
