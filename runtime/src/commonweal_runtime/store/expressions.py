"""The subset of SQL that mappings and answers are written in: parsed, checked node by node, and written anew as PostgreSQL text.

Nothing of the author's text reaches the database: names are quoted, constants are quoted anew, functions and operators come from the tables
below. What is not listed is refused, so a new version of the parser can only refuse more. Everything listed is bounded in cost and gives the
same value for the same row whatever the session's settings; only an answer may ask for today.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser

from commonweal_api.common import COLUMN_PATTERN, shown
from commonweal_runtime.exceptions import ExpressionRefusedError, MappingInvalidError
from commonweal_runtime.store.names import SYSTEM_COLUMNS, identifier, literal

LONGEST, DEEPEST, MOST_NODES = 500, 24, 200
DAY = "_day"  # what stands for current_date in an answer; no field can be named so
_LONGEST_TEXT = 200
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")
_DATE_FORMAT = re.compile(r"(YYYY|MM|DD|HH24|MI|SS|[-/. :])+")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?")
_PARTS = frozenset({"YEAR", "MONTH", "DAY"})
_UNITS = {"YEAR": "years", "MONTH": "months", "WEEK": "weeks", "DAY": "days"}
_MOST_WILDCARDS, _MOST_PADDING, _LONGEST_REPLACEMENT, _MOST_REPLACES = 6, 1000, 8, 4


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: PostgreSQL text, the columns that it reads in order of first use, and whether it asks for today."""

    text: str
    columns: tuple[str, ...]
    dated: bool


class _Subset(Postgres):
    """PostgreSQL's grammar, with every call left as name and arguments, so that no translation of functions stands between."""

    class Parser(PostgresParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            k: v for k, v in PostgresParser.FUNCTION_PARSERS.items() if k in {"CAST", "EXTRACT", "SUBSTRING", "TRIM"}
        }


def compile_expression(where: str, text: str, *, names: Iterable[str] | None = None, today: str | None = None) -> Expression:
    """Return `text` as PostgreSQL text over quoted columns; MappingInvalidError begins with `where`.

    `names` are the columns that it may read, as written (None: any plain name). `today` is the SQL for current_date (None: refused).
    """
    return _compile(where, text, None if names is None else tuple(names), today)


@lru_cache(maxsize=1024)
def _compile(where: str, text: str, names: tuple[str, ...] | None, today: str | None) -> Expression:
    writer = _Writer(names, today)
    try:
        written = writer.write(_parsed(text))
    except ExpressionRefusedError as refused:
        raise MappingInvalidError(f"{where}: {refused}") from None
    return Expression(written, tuple(writer.columns), writer.dated)


def _parsed(text: str) -> exp.Expr:
    if len(text) > LONGEST:
        raise ExpressionRefusedError(f"is longer than {LONGEST} characters; split it over several fields.")
    if any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in text):
        raise ExpressionRefusedError("has an invalid character (U+0000 or half a surrogate pair); remove it.")
    dialect = _Subset()
    try:
        tokens = dialect.tokenize(text)
        found = dialect.parser().parse_into(exp.Condition, tokens, text)
    except SqlglotError:
        raise ExpressionRefusedError("is no SQL expression; write one over columns, constants and the listed functions.") from None
    except RecursionError:
        raise ExpressionRefusedError(f"is nested deeper than {DEEPEST} levels; simplify it.") from None
    except Exception:  # noqa: BLE001 - somebody else's parser over anybody's text; whatever it stumbles over is refused
        raise ExpressionRefusedError("cannot be parsed; write a simpler expression.") from None
    if any(t.comments for t in tokens):
        raise ExpressionRefusedError("has a comment, and people are shown the expression; say it in description.")
    if len(found) != 1 or found[0] is None:
        raise ExpressionRefusedError("must be exactly one expression; remove what stands beside it.")
    return found[0]


def _only(node: exp.Expr, *known: str) -> None:
    """Refuse a node that carries anything but the parts named: a part that we do not write would change the meaning in silence."""
    extra = [key for key, value in node.args.items() if value not in (None, False, [], "") and key not in known]
    if extra:
        raise ExpressionRefusedError(f"«{extra[0]}» in {_called(node)} is not allowed; leave it out.")


def _called(node: object) -> str:
    """Return what an author would call a node."""
    if isinstance(node, exp.Anonymous):
        return f"«{node.name}»"
    return f"«{type(node).__name__}»"


@dataclass(frozen=True, slots=True)
class _Function:
    least: int
    most: int
    fixed: Mapping[int, Callable[[exp.Expr], bool]]
    what: str = ""


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


def _whole(node: exp.Expr, low: int, high: int) -> bool:
    inner, sign = (node.this, -1) if isinstance(node, exp.Neg) else (node, 1)
    return isinstance(inner, exp.Literal) and not inner.is_string and inner.name.isdigit() and low <= sign * int(inner.name) <= high


def _short(node: exp.Expr) -> bool:
    return _is_text(node) and len(node.name) <= _LONGEST_REPLACEMENT


def _format(node: exp.Expr) -> bool:
    return _is_text(node) and len(node.name) <= 40 and _DATE_FORMAT.fullmatch(node.name) is not None


def _date_format(node: exp.Expr) -> bool:
    """Return whether a text of that format is a date: what lacks the year is none."""
    return _format(node) and "YYYY" in node.name


def _pattern(format_: str) -> str:
    """Return what texts of a date format look like: a number may lack its leading zero where separators stand around it."""
    parts = re.findall(r"YYYY|MM|DD|HH24|MI|SS|[-/. :]", format_)
    apart = [len(part) == 1 for part in [" ", *parts, " "]]
    digits = ("[0-9]{4}" if p == "YYYY" else "[0-9]{1,2}" if apart[n] and apart[n + 2] else "[0-9]{2}" for n, p in enumerate(parts))
    return "^" + "".join(f"[{p}]" if len(p) == 1 else d for p, d in zip(parts, digits, strict=True)) + "$"


_FREE: Mapping[int, Callable[[exp.Expr], bool]] = {}
FUNCTIONS: Mapping[str, _Function] = {
    "concat_ws": _Function(2, 20, {0: _is_text}, "its separator must be a constant"),
    "coalesce": _Function(2, 20, _FREE),
    "nullif": _Function(2, 2, _FREE),
    "greatest": _Function(2, 20, _FREE),
    "least": _Function(2, 20, _FREE),
    "upper": _Function(1, 1, _FREE),
    "lower": _Function(1, 1, _FREE),
    "btrim": _Function(1, 2, {1: _is_text}, "the characters to trim must be a constant"),
    "ltrim": _Function(1, 2, {1: _is_text}, "the characters to trim must be a constant"),
    "rtrim": _Function(1, 2, {1: _is_text}, "the characters to trim must be a constant"),
    "length": _Function(1, 1, _FREE),
    "replace": _Function(
        3, 3, {1: _is_text, 2: _short}, f"what is replaced, and by what (at most {_LONGEST_REPLACEMENT} characters), must be constants"
    ),
    "left": _Function(2, 2, {1: lambda n: _whole(n, -1000, 1000)}, "the length must be a whole number of at most 1000"),
    "right": _Function(2, 2, {1: lambda n: _whole(n, -1000, 1000)}, "the length must be a whole number of at most 1000"),
    "split_part": _Function(3, 3, {1: _is_text, 2: lambda n: _whole(n, 1, 100)}, "separator and place (1 to 100) must be constants"),
    "lpad": _Function(
        2, 3, {1: lambda n: _whole(n, 0, _MOST_PADDING), 2: _is_text}, f"length (at most {_MOST_PADDING}) and filling must be constants"
    ),
    "abs": _Function(1, 1, _FREE),
    "floor": _Function(1, 1, _FREE),
    "ceil": _Function(1, 1, _FREE),
    "round": _Function(1, 2, {1: lambda n: _whole(n, -20, 20)}, "the number of places must be a whole number from -20 to 20"),
    "to_date": _Function(
        2, 2, {1: _date_format}, "the format must be a constant with YYYY, and of YYYY, MM, DD and the separators - / . : and space"
    ),
    "to_char": _Function(
        2, 2, {1: _format}, "the format must be a constant of YYYY, MM, DD, HH24, MI, SS and the separators - / . : and space"
    ),
    "make_date": _Function(3, 3, _FREE),
}
# Words of the grammar have no schema, and ours are strict where PostgreSQL's own are not; every other function is PostgreSQL's.
_SCHEMAS = {**dict.fromkeys(("coalesce", "nullif", "greatest", "least"), ""), **dict.fromkeys(("to_date", "make_date"), "mapping.")}

_INFIX: Mapping[type[exp.Expr], str] = {
    exp.And: "and", exp.Or: "or", exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.DPipe: "||",
    exp.NullSafeEQ: "is not distinct from", exp.NullSafeNEQ: "is distinct from",
}  # fmt: skip
_T = exp.DataType.Type
_CASTS: Mapping[object, str] = {
    _T.TEXT: "({})::text", _T.VARCHAR: "({})::text",
    _T.BIGINT: "({})::bigint", _T.INT: "({})::bigint", _T.SMALLINT: "({})::bigint",
    _T.DECIMAL: "mapping.finite(({})::numeric)", _T.BOOLEAN: "({})::boolean",
    _T.DATE: "mapping.day({})", _T.TIMESTAMP: "mapping.moment({})", _T.TIMESTAMPTZ: "mapping.moment({})",
}  # fmt: skip


def _quotable(name: str) -> bool:
    """Return whether a quoted name can be that of a column beside the store's own, which begin with a colon."""
    return 0 < len(name.encode()) <= 63 and shown(name) == name and not name.startswith(":")


class _Writer:
    """Writes one checked expression, and notes what it reads."""

    def __init__(self, names: tuple[str, ...] | None, today: str | None) -> None:
        self._names, self._today = names, today
        self.columns: dict[str, None] = {}
        self.dated = False
        self._nodes = self._replaces = self._depth = 0

    def write(self, node: object) -> str:
        """Return the text of a node, in parentheses where precedence could matter."""
        method = next((_METHODS[kind] for kind in type(node).__mro__[:1] if kind in _METHODS), None)
        if method is None or not isinstance(node, exp.Expr):
            raise ExpressionRefusedError(
                f"{_called(node)} is not allowed in an expression; use columns, constants, and {', '.join(sorted(FUNCTIONS))}."
            )
        self._nodes, self._depth = self._nodes + 1, self._depth + 1
        if self._nodes > MOST_NODES or self._depth > DEEPEST:
            raise ExpressionRefusedError(f"has more than {MOST_NODES} parts or {DEEPEST} levels; simplify it.")
        written = method(self, node)
        self._depth -= 1
        return written

    def column(self, node: exp.Expr) -> str:
        _only(node, "this")
        name = node.name
        if not isinstance(node.this, exp.Identifier):
            raise ExpressionRefusedError(f"{_called(node.this)} is not allowed in an expression; name each column.")
        if not (re.fullmatch(COLUMN_PATTERN, name) or (node.this.args.get("quoted") and _quotable(name))) or name in SYSTEM_COLUMNS:
            raise ExpressionRefusedError(
                f"«{shown(name)}» cannot be read by an expression; name a column of letters, digits and _, or quote it: at most 63 bytes, no colon first."
            )
        if self._names is not None and name not in self._names:
            near = difflib.get_close_matches(name, self._names, 3, 0.5) or sorted(self._names)[:5]
            raise ExpressionRefusedError(f"there is no raw field «{name}» here; write one of {', '.join(near)}.")
        self.columns[name] = None
        return identifier(name)

    def constant(self, node: exp.Expr) -> str:
        if not node.is_string:
            if not _NUMBER.fullmatch(node.name):
                raise ExpressionRefusedError(f"the number {node.name[:40]} is not allowed; write at most 18 digits and 9 decimals.")
            return node.name
        if len(node.name) > _LONGEST_TEXT or "\x00" in node.name:
            raise ExpressionRefusedError(f"a constant has more than {_LONGEST_TEXT} characters or a zero byte; shorten it.")
        return literal(node.name)

    def null(self, node: exp.Expr) -> str:
        _only(node)
        return "null"

    def boolean(self, node: exp.Expr) -> str:
        return "true" if node.this else "false"

    def within(self, node: exp.Expr) -> str:
        _only(node, "this")
        return self.write(node.this)

    def infix(self, node: exp.Expr) -> str:
        _only(node, "this", "expression", "safe", "typed")
        return f"({self.write(node.this)} {_INFIX[type(node)]} {self.write(node.args.get('expression'))})"

    def negative(self, node: exp.Expr) -> str:
        _only(node, "this")
        return f"(- {self.write(node.this)})"

    def not_(self, node: exp.Expr) -> str:
        _only(node, "this")
        return f"(not {self.write(node.this)})"

    def is_(self, node: exp.Expr) -> str:
        _only(node, "this", "expression", "negate")
        what = node.args.get("expression")
        if not isinstance(what, (exp.Null, exp.Boolean)):
            raise ExpressionRefusedError(f"«is {type(what).__name__}» is not allowed; compare with null, true or false.")
        return f"({self.write(node.this)} is {'not ' if node.args.get('negate') else ''}{self.write(what)})"

    def in_(self, node: exp.Expr) -> str:
        _only(node, "this", "expressions")
        if not node.expressions:
            raise ExpressionRefusedError("«in» needs a list of values; write them between the parentheses.")
        return f"({self.write(node.this)} in ({', '.join(self.write(e) for e in node.expressions)}))"

    def between(self, node: exp.Expr) -> str:
        _only(node, "this", "low", "high")
        return f"({self.write(node.this)} between {self.write(node.args['low'])} and {self.write(node.args['high'])})"

    def like(self, node: exp.Expr) -> str:
        _only(node, "this", "expression", "negate")
        pattern = node.args.get("expression")
        if not isinstance(pattern, exp.Expr) or not _is_text(pattern) or pattern.name.count("%") > _MOST_WILDCARDS or "\\" in pattern.name:
            raise ExpressionRefusedError(f"«like» needs a constant pattern without \\ and with at most {_MOST_WILDCARDS} %; write one.")
        return f"({self.write(node.this)} {'not ' if node.args.get('negate') else ''}like {self.write(pattern)})"

    def case(self, node: exp.Expr) -> str:
        _only(node, "this", "ifs", "default")
        subject, default = node.args.get("this"), node.args.get("default")
        parts = ["case"] + ([self.write(subject)] if subject is not None else [])
        for branch in node.args["ifs"]:
            _only(branch, "this", "true")
            parts.append(f"when {self.write(branch.this)} then {self.write(branch.args.get('true'))}")
        if default is not None:
            parts.append(f"else {self.write(default)}")
        return f"({' '.join(parts)} end)"

    def cast(self, node: exp.Expr) -> str:
        _only(node, "this", "to")
        to = node.args["to"]
        template = _CASTS.get(to.this) if isinstance(to, exp.DataType) and not to.expressions else None
        if template is None:
            raise ExpressionRefusedError(
                f"a cast to {to.sql('postgres')[:40]} is not allowed; cast to text, bigint, numeric, boolean, date or timestamptz."
            )
        if "mapping.day" in template or "mapping.moment" in template:
            self._dated_constant(node.this)
        return template.format(self.write(node.this))

    def _dated_constant(self, node: object) -> None:
        """Refuse 'today' and its like: a constant that changes overnight."""
        if isinstance(node, exp.Literal) and not (node.is_string and _ISO.fullmatch(node.name)):
            raise ExpressionRefusedError(f"the date «{node.name[:40]}» is not allowed; write it as '2026-01-31'.")

    def extract(self, node: exp.Expr) -> str:
        _only(node, "this", "expression")
        part = str(node.name).upper()
        if part not in _PARTS:
            raise ExpressionRefusedError(f"«extract({part.lower()[:40]} …)» is not allowed; extract year, month or day.")
        return f"extract({part.lower()} from {self.write(node.args.get('expression'))})"

    def substring(self, node: exp.Expr) -> str:
        _only(node, "this", "start", "length")
        places = [p for p in (node.args.get("start"), node.args.get("length")) if p is not None]
        if not places or not all(isinstance(p, exp.Expr) and _whole(p, 0, 1000) for p in places):
            raise ExpressionRefusedError("«substring» needs constant places from 0 to 1000; write substring(x, 1, 3).")
        return f"pg_catalog.substr({', '.join([f'({self.write(node.this)})::text', *(self.write(p) for p in places)])})"

    def trim(self, node: exp.Expr) -> str:
        _only(node, "this")
        return f"pg_catalog.btrim({self.write(node.this)})"

    def interval(self, node: exp.Expr) -> str:
        _only(node, "this", "unit")
        amount, unit = node.args.get("this"), str(node.text("unit")).upper().removesuffix("S")
        if not isinstance(amount, exp.Expr) or not re.fullmatch(r"[0-9]{1,4}", amount.name) or unit not in _UNITS:
            raise ExpressionRefusedError("an interval must be a whole number of years, months, weeks or days; write interval '18 years'.")
        return f"interval '{int(amount.name)} {_UNITS[unit]}'"

    def current_date(self, node: exp.Expr) -> str:
        _only(node)
        if self._today is None:
            raise ExpressionRefusedError("current_date is not allowed in a mapping, whose value would go stale; ask it in spec.answers.")
        self.dated = True
        return self._today

    def call(self, node: exp.Expr) -> str:
        _only(node, "this", "expressions")
        name, arguments = node.this.lower() if isinstance(node.this, str) else "", node.expressions
        function = FUNCTIONS.get(name)
        if function is None:
            raise ExpressionRefusedError(f"the function «{node.name[:63]}» is not allowed; use {', '.join(sorted(FUNCTIONS))}.")
        if not function.least <= len(arguments) <= function.most:
            raise ExpressionRefusedError(f"«{name}» takes {function.least} to {function.most} arguments; it has {len(arguments)}.")
        if not all(check(arguments[i]) for i, check in function.fixed.items() if i < len(arguments)):
            raise ExpressionRefusedError(f"«{name}»: {function.what}.")
        self._replaces += name == "replace"
        if self._replaces > _MOST_REPLACES:
            raise ExpressionRefusedError(f"«replace» stands more than {_MOST_REPLACES} times; correct the values in the source.")
        written = [self.write(a) for a in arguments]
        if name == "to_date":
            written.append(literal(_pattern(arguments[1].name)))
        if name == "to_char":
            written[0] = f"mapping.dated({written[0]})"
        return f"{_SCHEMAS.get(name, 'pg_catalog.')}{name}({', '.join(written)})"


_METHODS: dict[type, Callable[[_Writer, exp.Expr], str]] = {
    **dict.fromkeys(_INFIX, _Writer.infix),
    exp.Column: _Writer.column, exp.Literal: _Writer.constant, exp.Null: _Writer.null, exp.Boolean: _Writer.boolean, exp.Paren: _Writer.within,
    exp.Neg: _Writer.negative, exp.Not: _Writer.not_, exp.Is: _Writer.is_, exp.In: _Writer.in_, exp.Between: _Writer.between,
    exp.Like: _Writer.like, exp.Case: _Writer.case, exp.Cast: _Writer.cast, exp.Extract: _Writer.extract, exp.Substring: _Writer.substring,
    exp.Trim: _Writer.trim, exp.Interval: _Writer.interval, exp.CurrentDate: _Writer.current_date, exp.Anonymous: _Writer.call,
}  # fmt: skip
