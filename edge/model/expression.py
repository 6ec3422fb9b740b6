r"""The expressions in which events are filtered, as a tree: ``(hello AND NOT ann) OR "good bye"``.

    expression = all { "OR" all }
    all        = not { ["AND"] not }
    not        = "NOT" not | "(" expression ")" | phrase | word

Operators are upper case; in quotes they are words. A phrase is in double quotes, in which ``\"``
and ``\\`` stand for the characters themselves. Where numbers are asked for, the words are numbers
with ``<``, ``>``, ``<=`` or ``>=`` before them. What a word matches is not decided here. Length,
depth and number of terms are bounded: nobody can make an expression that costs much.
"""

import re
from collections.abc import Iterator
from typing import Final, NoReturn

import msgspec

from edge.model.errors import CallerError

LONGEST: Final = 1_000
DEEPEST: Final = 20
MOST_TERMS: Final = 100
_SHOWN: Final = 40

_LEXEME = re.compile(
    r"""\s*(?:(?P<bracket>[()])|"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<open>")|(?P<word>[^\s()"]+))""",
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\(["\\])')
_NUMBER = re.compile(r"(<=|>=|<|>|=)?(\d{1,18})", re.ASCII)
_OPERATORS: Final = frozenset({"<", ">", "<=", ">=", "="})
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)


class Term(msgspec.Struct, frozen=True):
    """A word, or the text of a phrase."""

    text: str


class Range(msgspec.Struct, frozen=True):
    """A number, and how what is looked at compares with it: ``<``, ``>``, ``<=``, ``>=``, ``=``."""

    operator: str
    number: int


class Not(msgspec.Struct, frozen=True):
    """What does not match."""

    inner: "Node"


class All(msgspec.Struct, frozen=True):
    """What matches each of two or more parts."""

    parts: "tuple[Node, ...]"


class Either(msgspec.Struct, frozen=True):
    """What matches at least one of two or more parts."""

    parts: "tuple[Node, ...]"


Node = Term | Range | Not | All | Either


class Mistake(CallerError):
    """An expression that cannot be read; ``position`` is the character's number, from 1."""

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(f"{problem} at character {position}")
        self.position = position


class _Lexeme(msgspec.Struct, frozen=True):
    """``kind`` is ``(``, ``)``, ``AND``, ``OR``, ``NOT``, ``term`` or, behind the last, ``end``."""

    kind: str
    text: str
    position: int


def _lexemes(text: str) -> Iterator[_Lexeme]:
    at = 0
    while match := _LEXEME.match(text, at):
        kind = match.lastgroup or ""
        value, position = match[kind], match.start(kind) + 1
        at = match.end()
        if kind == "open":
            raise Mistake('a phrase has no closing " for the one', position)
        if kind == "phrase":
            if not value.strip():
                raise Mistake("an empty phrase", position - 1)
            yield _Lexeme("term", _ESCAPE.sub(r"\1", value), position - 1)
        elif kind == "bracket" or value in {"AND", "OR", "NOT"}:
            yield _Lexeme(value, value, position)
        else:
            yield _Lexeme("term", value, position)
    yield _Lexeme("end", "", len(text) + 1)


def parse(text: str, *, numbers: bool = False) -> Node:
    """The tree of an expression; raises :class:`Mistake`. ``numbers``: its terms are numbers."""
    if len(text) > LONGEST:
        raise Mistake(f"more than {LONGEST} characters: too long", LONGEST + 1)
    parser = _Parser(text, numbers)
    tree = parser.either(0)
    if parser.now.kind != "end":
        parser.fail()
    return tree


class _Parser:
    """Recursive descent over the lexemes; ``now`` is the one to be read next."""

    def __init__(self, text: str, numbers: bool) -> None:
        self._rest = iter(list(_lexemes(text)))
        self._numbers = numbers
        self._terms = 0
        self.now = next(self._rest)

    def _take(self) -> _Lexeme:
        taken = self.now
        self.now = next(self._rest, taken)
        return taken

    def fail(self) -> NoReturn:
        """Say what is wrong with the lexeme that is next."""
        if self.now.kind == "end":
            raise Mistake("a word is missing", self.now.position)
        if self.now.kind == ")":
            raise Mistake("nothing before this )", self.now.position)
        raise Mistake(f"a word is missing before {self.now.text[:_SHOWN]!r}", self.now.position)

    def either(self, depth: int) -> Node:
        parts = [self._all(depth)]
        while self.now.kind == "OR":
            self._take()
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _all(self, depth: int) -> Node:
        parts = [self._not(depth)]
        while self.now.kind in {"AND", "NOT", "(", "term"}:
            if self.now.kind == "AND":
                self._take()
            parts.append(self._not(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _not(self, depth: int) -> Node:
        if depth >= DEEPEST:
            raise Mistake(f"nested more than {DEEPEST} deep", self.now.position)
        if self.now.kind == "NOT":
            self._take()
            return Not(self._not(depth + 1))
        if self.now.kind == "(":
            opened = self._take()
            inner = self.either(depth + 1)
            if self.now.kind != ")":
                raise Mistake("a ) is missing for the (", opened.position)
            self._take()
            return inner
        if self.now.kind != "term":
            self.fail()
        return self._term(self._take())

    def _term(self, lexeme: _Lexeme) -> Node:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise Mistake(f"more than {MOST_TERMS} words", lexeme.position)
        if not self._numbers:
            return Term(lexeme.text)
        text = lexeme.text
        if text in _OPERATORS and self.now.kind == "term" and _DIGITS.fullmatch(self.now.text):
            text += self._take().text
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise Mistake(f"{text[:_SHOWN]!r} is no number or range like >10000", lexeme.position)
        return Range(match[1] or "=", int(match[2]))
