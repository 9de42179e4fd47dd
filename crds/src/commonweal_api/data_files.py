"""Records that lie in files, on object storage or on a volume: Parquet, CSV and workbooks of Excel."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import ColumnName, HttpsUrl, Strict, Text, cel, check, validations
from commonweal_api.secret_ref import SecretRef

# A segment never begins with a dot, so no path climbs out of its bucket or volume.
LOCATION_PATTERN = (
    r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|volume://[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*$"
)
# One character that can stand between or around values: printable ASCII that is no letter, digit or space.
_SIGN = r"^[!-/:-@\[-`{-~]$"


@cache
def placed(kind: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the rules on endpoint, credentials and region of a kind of file."""
    return (
        cel(
            "self.location.startsWith('s3://') == has(self.endpoint)",
            f"spec.source.{kind}.endpoint: name the object storage when location begins with s3://, and leave it out for a volume.",
        ),
        cel(
            "self.location.startsWith('s3://') == has(self.credentials)",
            f"spec.source.{kind}.credentials: name the Secret when location begins with s3://, and leave it out for a volume.",
        ),
        cel(
            "self.location.startsWith('s3://') || !has(self.region)",
            f"spec.source.{kind}.region: a volume has no region; leave it out.",
        ),
    )


class FileSource(Strict):
    """Where files lie."""

    kind: ClassVar[str]

    location: Annotated[str, StringConstraints(pattern=LOCATION_PATTERN, min_length=7, max_length=400)] = Field(
        description="s3://bucket/prefix, or volume://claim/path on a PersistentVolumeClaim of the same namespace."
    )
    endpoint: HttpsUrl | None = Field(default=None, description="URL of the object storage; for s3:// only.")
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", min_length=1, max_length=40)] | None = Field(
        default=None, description="Region that requests are signed for; for s3:// only."
    )
    credentials: SecretRef | None = Field(
        default=None, description="Access key as username and secret key as password; needs no more than reading; for s3:// only."
    )

    @property
    def within(self) -> str:
        """What of the files is meant where they hold more than one table."""
        return ""

    @model_validator(mode="after")
    def _in_its_place(self) -> Self:
        stored, (endpoint, credentials, region) = self.location.startswith("s3://"), placed(self.kind)
        check(
            (stored != (self.endpoint is not None), endpoint),
            (stored != (self.credentials is not None), credentials),
            (not stored and self.region is not None, region),
        )
        return self


class ParquetSource(FileSource, json_schema_extra=validations(*placed("parquet"))):
    """Parquet files on object storage or on a volume; all files below the location together are the table."""

    kind: ClassVar[str] = "parquet"


class Encoding(StrEnum):
    """How the characters of a text file are written as bytes."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    UTF_16LE = "utf-16le"
    UTF_16BE = "utf-16be"
    WINDOWS_1250 = "windows-1250"
    WINDOWS_1251 = "windows-1251"
    WINDOWS_1252 = "windows-1252"
    WINDOWS_1253 = "windows-1253"
    WINDOWS_1254 = "windows-1254"
    WINDOWS_1257 = "windows-1257"
    ISO_8859_1 = "iso-8859-1"
    ISO_8859_2 = "iso-8859-2"
    ISO_8859_14 = "iso-8859-14"
    ISO_8859_15 = "iso-8859-15"
    CP437 = "cp437"
    CP850 = "cp850"
    MACINTOSH = "macintosh"
    GB18030 = "gb18030"
    SHIFT_JIS = "shift_jis"
    EUC_KR = "euc-kr"


class LineEnd(StrEnum):
    """What ends a row."""

    ANY = "Any"
    LF = "LF"
    CRLF = "CRLF"
    CR = "CR"


class Heading(Strict):
    """What a column is called here whose heading in the file is no name."""

    heading: Annotated[Text, StringConstraints(min_length=1, max_length=200)] = Field(description="The heading as it stands in the file.")
    column: ColumnName = Field(description="The name by which fields and subject refer to it.")


HEADINGS = Annotated[list[Heading], Field(max_length=200)]
Null = Annotated[Text, StringConstraints(max_length=40)]
Sign = Annotated[str, StringConstraints(pattern=_SIGN, min_length=1, max_length=1)]

CSV_SIGNS = cel(
    "self.delimiter != self.quote && (!has(self.escape) || !(self.escape in [self.delimiter, self.quote]))"
    " && (!has(self.comment) || !(self.comment in [self.delimiter, self.quote, has(self.escape) ? self.escape : '']))",
    "spec.source.csv: delimiter, quote, escape and comment must be different characters.",
)
CSV_NAMED = cel(
    "!has(self.columns) || !has(self.headings) || size(self.columns) == 0 || size(self.headings) == 0",
    "spec.source.csv.headings: a file whose columns are named in spec.source.csv.columns has no headings; leave one of the two out.",
)


class CsvSource(FileSource, json_schema_extra=validations(*placed("csv"), CSV_SIGNS, CSV_NAMED)):
    """Text files of separated values on object storage or on a volume; all files below the location together are the table.

    Nothing of it is guessed: `commonweal source inspect` guesses, and prints it for a person to look at.
    """

    kind: ClassVar[str] = "csv"

    encoding: Encoding = Field(default=Encoding.UTF_8, description="How characters are written. A byte order mark is no part of the text.")
    delimiter: Annotated[str, StringConstraints(pattern=r"^([!-/:-@\[-`{-~]|\t)$", min_length=1, max_length=1)] = Field(
        default=",", description='What separates values; a tab is written as "\\t" in YAML.'
    )
    quote: Annotated[str, StringConstraints(pattern=r"^([!-/:-@\[-`{-~])?$", max_length=1)] = Field(
        default='"', description="What may stand around a value; empty: nothing, and every such character is text."
    )
    escape: Sign | None = Field(
        default=None, description="What makes the character after it text; left out: a quote within quotes is written twice."
    )
    line_end: LineEnd = Field(default=LineEnd.ANY, description="What ends a row outside of quotes. Any: LF and CR LF, mixed too.")
    comment: Sign | None = Field(default=None, description="Rows that begin with it are left out.")
    skip_lines: int = Field(default=0, strict=True, ge=0, le=1000, description="Lines at the beginning of each file that are left out.")
    columns: list[ColumnName] = Field(
        default_factory=list,
        max_length=1000,
        description="Names of the columns in their order, for files without headings; left out: the first row names them.",
    )
    headings: HEADINGS = Field(default_factory=list, description="Names for columns whose headings fields cannot refer to.")
    nulls: list[Null] = Field(
        default_factory=lambda: [""],
        max_length=20,
        description="What stands for null where it is not quoted; left out: nothing between two delimiters.",
    )
    quoted_nulls: bool = Field(default=False, strict=True, description="Whether these stand for null within quotes too.")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        signs = [self.delimiter, self.quote, self.escape or "e", self.comment or "c"]
        check((len(set(signs)) != len(signs), CSV_SIGNS), (bool(self.columns and self.headings), CSV_NAMED))
        return self

    @property
    def within(self) -> str:
        """What decides which column a name means, as a digest; nothing where the file says it."""
        return _named([*self.columns, *(f"{h.heading}\0{h.column}" for h in self.headings)])


EXCEL_ROW = cel(
    "!has(self.range) || !has(self.headerRow)",
    "spec.source.excel.headerRow: the first row of spec.source.excel.range names the columns; leave one of the two out.",
)


class ExcelSource(FileSource, json_schema_extra=validations(*placed("excel"), EXCEL_ROW)):
    """Workbooks of Excel (.xlsx) on object storage or on a volume; one sheet of each file below the location, together, are the table."""

    kind: ClassVar[str] = "excel"

    sheet: Annotated[Text, StringConstraints(min_length=1, max_length=31)] | None = Field(
        default=None, description="Name of the sheet; left out: the first one."
    )
    header_row: int | None = Field(
        default=None, strict=True, ge=1, le=10000, description="Row that names the columns; left out: the first one."
    )
    range: (
        Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,3}[1-9][0-9]{0,6}:[A-Z]{1,3}[1-9][0-9]{0,6}$", min_length=5, max_length=21)]
        | None
    ) = Field(
        default=None,
        description="The cells of the table, such as B3:F2000, the names of its columns in the first row; left out: all of the sheet.",
    )
    headings: HEADINGS = Field(default_factory=list, description="Names for columns whose headings fields cannot refer to.")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        check((self.range is not None and self.header_row is not None, EXCEL_ROW))
        return self

    @property
    def within(self) -> str:
        """Which table of a workbook is meant, and what decides which column a name means."""
        where = f" sheet {self.sheet}" if self.sheet else ""
        where += f" cells {self.range}" if self.range else f" from row {self.header_row}" if self.header_row else ""
        return where + _named([f"{h.heading}\0{h.column}" for h in self.headings])


def _named(said: list[str]) -> str:
    return f" with names {hashlib.sha256(chr(10).join(said).encode()).hexdigest()[:16]}" if said else ""
