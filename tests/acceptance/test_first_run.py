"""What a newcomer sees in the terminal."""

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.run.serving import PROGRAM, edge, until


def test_the_first_start_prints_commands_that_work_and_the_second_where_things_are() -> None:
    """Each indented line is an address to open or a command to paste; later starts are brief."""
    with edge() as one:
        one.ready()
        welcome = [line.strip() for line in one.output.splitlines() if line.startswith("  ")]
        assert f"http://127.0.0.1:{one.control}/sample" in welcome
        pixel = next(shlex.split(line)[-1] for line in welcome if line.startswith("curl "))
        status, image = one.get(urlsplit(pixel).path, one.http)
        assert (status, image[:8]) == (200, b"\x89PNG\r\n\x1a\n")
        added = next(shlex.split(line) for line in welcome if "domain add" in line)
        assert tuple(added[:3]) == PROGRAM
        done = subprocess.run(added, capture_output=True, text=True, check=True, cwd=Path.cwd())
        assert "email.example.com" in done.stdout
        asked = next(shlex.split(line) for line in welcome if "--user" in line)
        answer = subprocess.run(asked, capture_output=True, text=True, check=True)
        assert '"message": "Queued. Thank you."' in answer.stdout
        listed = next(shlex.split(line) for line in welcome if "outbox list" in line)
        until("the message is kept", lambda: b"Hello" in subprocess.check_output(listed))
        assert one.stop() == 0
        length = len(one.output)
        one.start().ready()
        again = one.output[length:]
        assert f"Sample message: http://127.0.0.1:{one.control}/sample" in again
        assert "sandbox domain" not in again
        assert f"http://127.0.0.1:{one.panel}/first-run?code=" in again  # nobody took the first
        assert "key-" not in again


def test_a_terminals_interrupt_to_all_processes_is_the_supervisors_to_answer() -> None:
    """Ctrl-C reaches the children too: they stay until the supervisor drains them."""
    with edge() as one:
        one.ready()
        before = one.children()
        for pid in before.values():
            os.kill(pid, signal.SIGINT)
        time.sleep(0.5)
        assert one.children() == before
        assert one.stop(signal.SIGINT) == 0
        assert one.events("child died") == []
        assert not any(Path(f"/proc/{pid}").exists() for pid in before.values())
