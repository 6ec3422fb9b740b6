"""Memory of a tracking worker that serves many certificates."""

from pathlib import Path

from benchmarks import key_files
from benchmarks.figure import Figure, Limit, Scale, Section
from benchmarks.handshaking import drive
from benchmarks.processes import wait_until
from benchmarks.serving import serving

NAME = "certificate-memory"
MIB = 2**20


def run(directory: Path, scale: Scale) -> Section:
    """Measure before there is a certificate, with all of them known, and after using each."""
    count = scale.pick(10_000, 1_000)
    hosts = [f"email.brand{number}.example" for number in range(count)]
    requests = directory / "requests"
    requests.write_text("".join(f"{host}\t/o/x\tbenchmark\n" for host in hosts))
    sizes = []
    with serving(directory / "edge") as edge:
        worker = edge.children()["tracking"]
        sizes.append(edge.worker_memory()["Pss"] / MIB)
        key_files.write(edge.data_dir / "certificates", hosts)
        wait_until(
            lambda: edge.metric("edge_certificates_known") == count,
            60,
            "the certificates",
            every=0.5,
        )
        sizes.append(edge.worker_memory()["Pss"] / MIB)
        for _ in range(2):
            if drive(edge.https_port, requests, count=count, seconds=600) != count:
                raise RuntimeError("not every host was asked")
            sizes.append(edge.worker_memory()["Pss"] / MIB)
        if edge.children()["tracking"] != worker:
            raise RuntimeError("the worker was restarted")
    names = (
        "PSS of a worker without certificates",
        f"with {count:,} certificates, none of them used",
        f"with {count:,} certificates, after a connection to each",
        "the same after a second connection to each",
    )
    figures = [
        Figure(
            name=name,
            value=size,
            unit="MiB",
            limit=Limit.VALUE_AT_MOST if number >= 2 else None,
            accepted=150 if number >= 2 else None,
            aim=150 if number >= 2 else None,
        )
        for number, (name, size) in enumerate(zip(names, sizes, strict=True))
    ]
    notes = [
        (
            "P-256, leaf and intermediate, one file each. A worker keeps the contexts of the 3,000 "
            "hosts that were used last, and reads the others again when they are asked for; asked "
            "in turn as here, every connection is such a miss. One worker; with more, what they "
            "share counts for less."
        )
    ]
    return Section(name=NAME, title="Memory with certificates", figures=figures, notes=notes)
