"""Where an address is: any MMDB file in the GeoIP2 City (or Country) schema.

No database ships with this project (their licences do not allow it or their size forbids it);
``edge geo update`` fetches one, and until then everything is ``Unknown``.
"""

from pathlib import Path
from typing import Any, Final

from edge.enrich.mmdb import MmdbFile
from edge.enrich.ranges import Address
from edge.model.event import Geolocation

UNKNOWN: Final = Geolocation()


def _named(row: Any) -> str:
    names = row.get("names") if isinstance(row, dict) else None
    name = names.get("en") if isinstance(names, dict) else None
    return name if isinstance(name, str) and name else "Unknown"


def _country(row: dict[str, Any]) -> str:
    for key in ("country", "registered_country"):
        entry = row.get(key)
        code = entry.get("iso_code") if isinstance(entry, dict) else None
        if isinstance(code, str) and code:
            return code
    return "Unknown"


def _region(row: dict[str, Any]) -> str:
    """The ISO code of the first subdivision (``CA``), else its English name (``California``):
    DB-IP's free files have no codes, MaxMind's do."""
    subdivisions = row.get("subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    code = first.get("iso_code") if isinstance(first, dict) else None
    return code if isinstance(code, str) and code else _named(first)


def geolocation_of(row: dict[str, Any]) -> Geolocation:
    """Mailgun's three values out of one row; ``Unknown`` where the row has nothing."""
    if not row:
        return UNKNOWN
    return Geolocation(country=_country(row), region=_region(row), city=_named(row.get("city")))


class Geo:
    """The geolocation database in use; :meth:`reload` follows the file."""

    def __init__(self, path: Path | None) -> None:
        self._file = MmdbFile(path)

    @property
    def present(self) -> bool:
        """Whether there is a database."""
        return self._file.present

    @property
    def problem(self) -> str:
        """What is wrong with the file, or empty."""
        return self._file.problem

    def reload(self) -> bool:
        """True if another database (or none) is in use now."""
        return self._file.reload()

    def find(self, address: Address) -> Geolocation:
        """Country, region and city of an address."""
        return geolocation_of(self._file.get(address))
