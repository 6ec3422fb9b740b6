"""Conditions on figures and on logged events, as Mailgun's reporting API writes them."""

from typing import Final

import msgspec

EQUAL: Final = "="
UNEQUAL: Final = "!="
CONTAINS: Final = "contains"
LACKS: Final = "not contains"
MORE: Final = ">"
LESS: Final = "<"


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """An attribute compared with values; one of them has to match, or (negated) none may.

    Comparisons do not look at the case of ASCII letters.
    """

    attribute: str
    comparator: str
    values: tuple[str, ...]

    @property
    def negated(self) -> bool:
        """Whether the values are those that may not match."""
        return self.comparator in {UNEQUAL, LACKS}

    def meets(self, text: str) -> bool:
        """Whether a text meets it (``=``, ``!=``, ``contains``, ``not contains``)."""
        folded = text.lower()
        exact = self.comparator in {EQUAL, UNEQUAL}
        found = any(
            folded == value.lower() if exact else value.lower() in folded for value in self.values
        )
        return found is not self.negated
