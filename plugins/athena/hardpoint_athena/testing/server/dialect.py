"""Athena's SQL as DuckDB takes it, and from a place in the one to that in the other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | --[^\n]* | /\*.*?\*/ | \w+ | \s+ | .""",
    re.DOTALL | re.VERBOSE,
)
_DECIMAL = re.compile(r"DECIMAL '(-?)(\d*)(?:\.(\d+))?'")
_EXPLAIN = re.compile(r"EXPLAIN(?: \((?P<how>.*?)\))?\s")
_QUIET = re.compile(r"\s+|--.*|/\*.*", re.DOTALL)
PROPERTIES = frozenset(
    (
        *("bucket_count", "bucketed_by", "external_location", "field_delimiter", "format", "is_external"),
        *("location", "orc_compression", "parquet_compression", "partitioned_by", "partitioning"),
        *("table_type", "write_compression"),
    )
)


class RefusedError(Exception):
    """What Athena would not run.

    Args:
        code: As the service says.
        words: The service's, or nearly so.
        offset: In what was sent; None if no place is told.
    """

    def __init__(self, code: str, words: str, offset: int | None = None) -> None:
        super().__init__(words)
        self.code, self.words, self.offset = code, words, offset


@dataclass
class Translated:
    """A statement for DuckDB.

    Args:
        pieces: Its parts, each with the place from which it comes.
        properties: Of a table that it makes: what stands between `WITH (` and `)`, for `struct_pack`.
        explained: The options of an EXPLAIN; None if it is none.
    """

    pieces: list[tuple[str, int]] = field(default_factory=list)
    properties: str = ""
    explained: str | None = None

    @property
    def text(self) -> str:
        """What DuckDB runs."""
        return "".join(piece for piece, _ in self.pieces)

    @property
    def gives_rows(self) -> bool:
        """Whether it is no change of tables."""
        return not re.match(r"\s*(CREATE|INSERT|DROP)\b", self.text, re.IGNORECASE)

    def source(self, byte: int) -> int:
        """The offset in what was sent, of a byte in `text`."""
        at = len(self.text.encode()[:byte].decode(errors="ignore"))
        for piece, start in self.pieces:
            if at < len(piece):
                # Within a value there is no place of the author's.
                return start + at if piece[:1] != "(" else start
            at -= len(piece)
        return self.pieces[-1][1]


def translate(sql: str, literals: list[str]) -> Translated:
    """What DuckDB runs for a query, each `?` replaced by its literal as text.

    Raises:
        RefusedError: Athena would not take it.
    """
    found = _EXPLAIN.match(sql)
    if found and literals:
        raise RefusedError("SYNTAX_ERROR", "Incorrect number of parameters: expected 0 but found 1")
    explained = (found["how"] or "") if found else None
    start = found.end() if found else 0
    tokens = [(each[0], each.start()) for each in _TOKEN.finditer(sql, start)]
    return _Translator(sql[start:].split(None, 1)[0].upper(), tokens, literals).run(explained)


class _Translator:
    """Goes through the tokens once."""

    def __init__(self, verb: str, tokens: list[tuple[str, int]], literals: list[str]) -> None:
        self.verb, self.tokens, self.literals = verb, tokens, literals
        self.done = Translated()
        self.closing: list[str] = []
        self.values = 0
        self.before = ""
        self.at = 0

    def run(self, explained: str | None) -> Translated:
        """All of it."""
        self.done.explained = explained
        if explained is not None:
            self.done.pieces.append(("EXPLAIN ", 0))
        while self.at < len(self.tokens):
            token, start = self.tokens[self.at]
            self.at += 1
            self.done.pieces.append((self.one(token, start), start))
            if not _QUIET.fullmatch(token):
                self.before = token.upper()
        if self.values != len(self.literals):
            words = f"expected {self.values} but found {len(self.literals)}"
            raise RefusedError("SYNTAX_ERROR", f"Incorrect number of parameters: {words}", 0)
        return self.done

    def one(self, token: str, start: int) -> str:
        """What stands for a token."""
        match token.upper():
            case "?":
                self.values += 1
                given = self.literals[self.values - 1 : self.values]
                return f"({_DECIMAL.sub(_wide, given[0])})" if given else "NULL"
            case "(":
                self.closing.append(")")
                return "("
            case ")":
                return self.closing.pop() if self.closing else ")"
            case "ARRAY" if self.opens():
                self.closing.append("[]")
                return ""
            case "UNNEST" if self.before in ("FROM", "JOIN") and self.opens():
                # Athena makes columns of rows.
                self.closing.append(", max_depth := 2))")
                return "(SELECT UNNEST("
            case "WITH" if self.verb == "CREATE" and not self.closing and self.opens():
                self.take_properties(start)
                return ""
            case _ if token[0] in '`"' and self.verb in ("DROP", "ALTER"):
                return self.name_of_ddl(token, start)
            case _:
                return token

    def opens(self) -> bool:
        """Whether a parenthesis comes next, which is then passed over."""
        ahead = self.at
        while ahead < len(self.tokens) and _QUIET.fullmatch(self.tokens[ahead][0]):
            ahead += 1
        if ahead < len(self.tokens) and self.tokens[ahead][0] == "(":
            self.at = ahead + 1
            return True
        return False

    def take_properties(self, start: int) -> None:
        """Read up to the parenthesis that closes."""
        parts: list[str] = []
        while self.at < len(self.tokens) and self.tokens[self.at][0] != ")":
            part, _ = self.tokens[self.at]
            self.at += 1
            if part == "=":
                name = "".join(parts).replace(",", " ").split()[-1]
                if name not in PROPERTIES:
                    words = f"table property '{name}' does not exist"
                    raise RefusedError("INVALID_TABLE_PROPERTY", words, start)
            parts.append(":=" if part == "=" else part)
        self.at += 1
        self.done.properties = "".join(parts)

    def name_of_ddl(self, token: str, start: int) -> str:
        """Statements of that kind are Hive's: backticks, and no other quotes."""
        if token[0] == '"':
            raise RefusedError("PARSE_ERROR", f"mismatched input '{token}'", start)
        return f'"{token[1:-1]}"'


def _wide(found: re.Match[str]) -> str:
    """DuckDB takes DECIMAL without digits for one of three places; Athena counts the digits."""
    sign, whole, places = found[1], found[2], found[3] or ""
    plain = f"{sign}{whole}.{places}" if places else f"{sign}{whole}"
    return f"CAST('{plain}' AS DECIMAL({max(1, len(whole) + len(places))}, {len(places)}))"
