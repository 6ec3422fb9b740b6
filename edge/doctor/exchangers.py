"""Do bounces come back? The MX records of the host they return to; pure."""

from edge.doctor.facts import Answer, Status
from edge.doctor.findings import Code, Finding, Severity, listed


def hosts(answer: Answer) -> list[tuple[int, str]]:
    """Preferences and hosts, best first; a null MX (RFC 7505) has the host ""."""
    found = []
    for value in answer.values:
        preference, _, host = value.partition(" ")
        found.append((int(preference) if preference.isdecimal() else 0, host.strip(".")))
    return sorted(found)


def leads_to(answer: Answer, edges: tuple[str, ...]) -> bool:
    """Whether one of the best exchangers is an edge."""
    found = hosts(answer)
    return any(host in edges for preference, host in found if preference == found[0][0])


def check(answer: Answer, wanted: str, edges: tuple[str, ...]) -> list[Finding]:
    """What is wrong with the MX records at ``answer.name``."""
    name = answer.name
    record = f"{name}. MX 10 {wanted}."
    code: Code
    if answer.status is not Status.FOUND:
        code, seen = "mx-missing", "there is no MX record"
    elif leads_to(answer, edges):
        return []
    elif any(host in edges for _, host in hosts(answer)):
        return [
            Finding(
                code="mx-not-first",
                about=name,
                seen=listed(answer.values),
                expected=record,
                mend="Give the edge the lowest number: mail goes to the others first, and bounces "
                "that they keep are never counted.",
                severity=Severity.WARNING,
            )
        ]
    else:
        code, seen = "mx-elsewhere", listed(answer.values)
    return [
        Finding(
            code=code,
            about=name,
            seen=seen,
            expected=record,
            mend=f"Create {record} and no other MX for that name: without it bounces are lost, and "
            "dead addresses are written to again and again.",
        )
    ]
