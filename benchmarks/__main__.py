"""``python -m benchmarks``: measure, and rewrite RESULTS.md and results.svg.

``--only NAME`` (repeatable) measures some and keeps the other figures as they are; ``--quick`` runs
everything in a short form whose figures prove only that the scripts work.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    certificate_memory,
    certificates,
    dkim_signing,
    drain,
    instrumenting,
    issuing,
    latency,
    machine,
    memory,
    panel_pages,
    reading,
    request_cost,
    returned,
    sending,
    sni_miss,
    start,
    tls_connection,
    verdicts,
    webhooks,
    whole_line,
)
from benchmarks.figure import Scale, Section
from benchmarks.report import keep, show, write

SCRIPTS: dict[str, Callable[[Path, Scale], Section]] = {
    module.NAME: module.run
    for module in (
        *(request_cost, whole_line, drain, verdicts, latency, memory, start),
        *(instrumenting, dkim_signing, sending, webhooks, returned, certificates),
        *(tls_connection, certificate_memory, sni_miss, issuing, reading, panel_pages),
    )
}

BUSY = 0.05
"""Share of the processors' time used by others above which the report says so."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(SCRIPTS), metavar="NAME",
                        help=f"one of {', '.join(SCRIPTS)}; may be repeated")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="short form, provisional figures")
    return parser.parse_args()


def main() -> int:
    """Measure what was asked for; 1 when a tool is missing or a script failed."""
    given = _arguments()
    if lacking := machine.missing():
        print(f"these tools are missing: {'; '.join(lacking)}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scale = Scale(quick=given.quick)
    failed = []
    for name in given.only or SCRIPTS:
        began = time.monotonic()
        print(f"{name} ...", flush=True)
        busy = machine.busy()
        directory = Path(tempfile.mkdtemp(prefix="edge-bench-", dir="/var/tmp"))
        directory.chmod(0o755)
        try:
            section = SCRIPTS[name](directory, scale)
        except Exception as error:  # noqa: BLE001 - the other figures are measured all the same
            failed.append(name)
            print(f"{name} failed: {error!r}", file=sys.stderr, flush=True)
            continue
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        section.date = time.strftime("%Y-%m-%d", time.gmtime())
        section.quick = scale.quick
        if busy > BUSY:
            section.notes.append(
                f"Others used {busy:.0%} of the processors when this began: too much to trust it."
            )
        keep(section)
        show(section, time.monotonic() - began)
    write()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
