"""Rules that know a failure by its wording: name, reason, phrases, and where they are documented.

All phrases of all rules are searched in one pass of one RE2 set, whose time is linear in the text;
of the rules that match, the first in :data:`RULES` decides. RE2 knows neither look-around nor
references back, so a phrase that must not count elsewhere belongs into an earlier rule.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
import re2

from edge.returns.reasons import Phase, Reason

MOST_TEXT: Final = 2_500
"""Characters of a reply that are searched; what decides stands at its beginning."""

_SPACES = re.compile(r"\s+")
# An address may spell anything ("spam@…"), and its dots would end what a phrase may span.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{0,252}[A-Za-z0-9]")
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u00a0": " ", "\u00b4": "'"})


class Rule(msgspec.Struct, frozen=True):
    """Text that decides; ``source`` says where it is documented, ``phases`` when it may be said."""

    name: str
    reason: Reason
    source: str
    phrases: tuple[str, ...]
    phases: frozenset[Phase] = frozenset(Phase)
    weak: bool = False
    """Asked only after the status: words that go with many a refusal."""


def rule(
    name: str,
    reason: Reason,
    source: str,
    text: str,
    *phases: Phase,
    weak: bool = False,
) -> Rule:
    """A rule from one phrase (RE2, any case) a line."""
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    return Rule(name, reason, source, lines, frozenset(phases or Phase), weak)


class Match(msgspec.Struct, frozen=True):
    """The rule that decided and the words it matched."""

    rule: Rule
    words: str


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = 256 << 20
    options.log_errors = False
    return options


class Matcher:
    """Finds the first rule of an ordered list that a text matches; compiled when first asked."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._phrases = [(one, phrase) for one in self.rules for phrase in one.phrases]

    @cached_property
    def _set(self) -> Any:
        found = re2.Set.SearchSet(_options())
        for _, phrase in self._phrases:
            found.Add(phrase)
        found.Compile()
        return found

    def first(
        self, text: str, phase: Phase | None = None, *, without: Reason | None = None
    ) -> Match | None:
        """The first rule whose phrase stands in an already :func:`plain` text.

        ``without``: rules of this reason are passed over.
        """
        found = self._set.Match(text) or ()  # None where nothing matches
        for number in sorted(found):  # phrases were added in the order of the rules
            one, phrase = self._phrases[number]
            if one.reason is not without and (phase is None or phase in one.phases):
                words = re2.compile(phrase, _options()).search(text)
                return Match(one, words.group(0)[:200] if words else "")
        return None


def plain(text: str) -> str:
    """Text as rules want it: bounded, spaces folded, apostrophes straight, addresses as ``a@b``."""
    cut = text[: 2 * MOST_TEXT].encode("utf-8", "replace").decode("utf-8")
    folded = _SPACES.sub(" ", cut.translate(_APOSTROPHES))
    return _ADDRESS.sub("a@b", folded)[:MOST_TEXT].strip()


def named(rules: Sequence[Rule]) -> dict[str, Rule]:
    """Rules by name; a name stands for one rule only."""
    found = {one.name: one for one in rules}
    if len(found) != len(rules):
        raise AssertionError("two rules have one name")
    return found
