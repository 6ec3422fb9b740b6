"""Range and geolocation files of realistic size, so that look-ups cost what they cost in use.

What they say is made up, drawn from a seed; only their size and shape matter here.
"""

import random
from pathlib import Path
from typing import Final

from mmdb_writer import MMDBWriter
from netaddr import IPSet

_LABELS: Final = ("dc:amazon", "dc:google", "dc:azure", "apple-relay", "mailsec:proofpoint")
_COUNTRIES: Final = ("DE", "FR", "US", "GB", "NL", "ES", "IT", "PL", "SE", "BR", "IN", "JP")


def _writer(kind: str) -> MMDBWriter:
    return MMDBWriter(ip_version=6, ipv4_compatible=True, database_type=kind)


def write_ranges(path: Path, *, prefixes: int = 4000) -> None:
    """Labelled /24s, a tenth of them Apple's relay with a country."""
    chosen = random.Random(3)
    writer = _writer("tracking-edge-ranges")
    for _ in range(prefixes):
        label = _LABELS[chosen.randrange(len(_LABELS))]
        row = {"label": label}
        if label == "apple-relay":
            row["country"] = chosen.choice(_COUNTRIES)
        network = (
            f"{chosen.randrange(20, 100)}.{chosen.randrange(256)}.{chosen.randrange(256)}.0/24"
        )
        writer.insert_network(IPSet([network]), row)
    writer.to_db_file(str(path))


def write_geo(path: Path) -> None:
    """Every /16 that the load's addresses come from, in the GeoIP2 City schema."""
    chosen = random.Random(4)
    writer = _writer("DBIP-City-Lite")
    for first in range(20, 100):
        for second in range(256):
            row = {
                "country": {"iso_code": chosen.choice(_COUNTRIES)},
                "subdivisions": [{"names": {"en": f"Region {second % 40}"}}],
                "city": {"names": {"en": f"City {chosen.randrange(3000)}"}},
            }
            writer.insert_network(IPSet([f"{first}.{second}.0.0/16"]), row)
    writer.to_db_file(str(path))
