"""Where a product's records lie: exactly one of a heritage PostgreSQL, a MySQL or MariaDB, files, and an HTTP API."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import ColumnName, Strict, cel, check, validations
from commonweal_api.data_files import CsvSource, ExcelSource, FileSource, ParquetSource
from commonweal_api.http_source import HttpSource
from commonweal_api.secret_ref import SecretRef

HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
DATABASE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$"

Host = Annotated[str, StringConstraints(pattern=HOST_PATTERN, min_length=1, max_length=253)]
Database = Annotated[str, StringConstraints(pattern=DATABASE_PATTERN, min_length=1, max_length=63)]


class TlsMode(StrEnum):
    OFFERED = "Offered"
    VERIFY = "Verify"


class SourceTls(Strict):
    """How the source proves who it is. A password is never shown to a server that did not."""

    mode: TlsMode = Field(
        default=TlsMode.OFFERED,
        description="Verify: only over TLS with a certificate for host that an authority signed, one of the public ones or the one in the Secret. "
        "Offered: over TLS where the source has it, the certificate not checked; whoever is between can read along.",
    )


def verified(tls: SourceTls | None) -> bool:
    """Tell whether the source must present a certificate that an authority signed for its host."""
    return tls is not None and tls.mode is TlsMode.VERIFY


class Watermark(Strict):
    """A column of the source that is another value after every change of a row, as a time of change or a row version is."""

    column: ColumnName = Field(
        description="Column of the table. Refreshes compare it and the keys alone instead of every column that is read; a change that leaves it as it was "
        "is seen within a day."
    )


class PostgresSource(Strict):
    """A heritage PostgreSQL database; it is read, never written."""

    host: Host = Field(description="Name or IPv4 address; never a store of another department.")
    port: int = Field(default=5432, strict=True, ge=1, le=65535, description="TCP port.")
    database: Database = Field(description="Name of the database.")
    schema_: ColumnName = Field(default="public", alias="schema", description="Schema of the table.")
    table: ColumnName = Field(description="Table or view with one row per record.")
    credentials: SecretRef = Field(description="The login, which needs no more than SELECT on the table.")
    tls: SourceTls | None = Field(default=None, description="How the source proves who it is; left out: as with mode Offered.")
    watermark: Watermark | None = Field(default=None, description="What tells that a row has changed; left out: all columns that are read.")


class MysqlSource(Strict):
    """A heritage MySQL or MariaDB database; it is read, never written."""

    host: Host = Field(description="Name or IPv4 address; never a store of another department.")
    port: int = Field(default=3306, strict=True, ge=1, le=65535, description="TCP port.")
    database: Database = Field(description="Name of the database.")
    table: ColumnName = Field(description="Table or view with one row per record.")
    credentials: SecretRef = Field(description="The login, which needs no more than SELECT on the table.")
    tls: SourceTls | None = Field(default=None, description="How the source proves who it is; left out: as with mode Offered.")
    watermark: Watermark | None = Field(default=None, description="What tells that a row has changed; left out: all columns that are read.")


ONE_SOURCE = cel(
    "[has(self.postgres), has(self.mysql), has(self.parquet), has(self.csv), has(self.excel), has(self.http)].exists_one(b, b)",
    "spec.source: set exactly one of postgres, mysql, parquet, csv, excel and http.",
)


class Source(Strict, json_schema_extra=validations(ONE_SOURCE)):
    """Exactly one kind of source."""

    postgres: PostgresSource | None = None
    mysql: MysqlSource | None = None
    parquet: ParquetSource | None = None
    csv: CsvSource | None = None
    excel: ExcelSource | None = None
    http: HttpSource | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        kinds = (self.postgres, self.mysql, self.parquet, self.csv, self.excel, self.http)
        check((sum(s is not None for s in kinds) != 1, ONE_SOURCE))
        return self

    @property
    def files(self) -> FileSource | None:
        """Where the files lie that are the source; None where it is none of files."""
        return self.parquet or self.csv or self.excel

    @property
    def chosen(self) -> PostgresSource | MysqlSource | FileSource | HttpSource | None:
        """The one that is set."""
        return self.postgres or self.mysql or self.files or self.http
