"""``edge domain check``: what is wrong with a domain's DNS, and how to mend it."""

from typing import Annotated

import typer

from edge.cli import domain_mail, session
from edge.cli.options import AsJson, Config, DataDir, print_json, run
from edge.clock import SystemClock
from edge.doctor.examine import Doctor
from edge.doctor.findings import Finding
from edge.doctor.look import Looker
from edge.doctor.wanted import Report
from edge.model.errors import NotFound
from edge.model.probe import probe_secret
from edge.sending.dns_records import kept, wanted_of
from edge.settings import load
from edge.store import authorities, domain_checks, domains

Name = Annotated[str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")]


def check(
    name: Name, as_json_: AsJson = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Look up a domain's DNS records and probe its tracking host; exit 1 if anything is wrong.

    Nothing is changed but what the API shows as the state of the records: a failed check never
    stops serving, tracking or sending.
    """
    settings = load(config, data_dir=data_dir)
    vault = session.vault(settings)
    resolvers = [(bind.host, bind.port) for bind in settings.resolvers]

    async def work() -> Report:
        async with session.database(settings) as pool:
            async with pool.acquire() as conn:
                domain = await domains.get(conn, name)
                if domain.removed:
                    raise NotFound(f"domain {domain.name} is removed")
                records = await domain_mail.records(conn, domain, settings)
                authority = await authorities.current(conn)
            doctor = Doctor(
                Looker(resolvers), probe_secret(vault), http_port=settings.acme_http_port
            )
            wanted = wanted_of(domain, settings.public_host, records, authority)
            found = await doctor.examine(wanted)
            async with pool.acquire() as conn:
                await domain_checks.put(conn, domain.number, kept(found, SystemClock.now_us()))
            return found

    report = run(work())
    if as_json_:
        print_json(report.as_json())
    else:
        _print(report)
    if report.wrong:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    for state in report.states:
        typer.echo(f"{state.valid.value:8} {state.type:6} {state.name}")
    for finding in report.findings:
        _print_finding(finding)
    if not report.wrong:
        typer.echo(f"Nothing is wrong with {report.domain}.")


def _print_finding(finding: Finding) -> None:
    typer.echo(f"\n{finding.severity.value}: {finding.code} ({finding.about})")
    typer.echo(f"  seen:     {finding.seen}")
    typer.echo(f"  expected: {finding.expected}")
    typer.echo(f"  mend:     {finding.mend}")
