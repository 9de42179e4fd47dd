"""Where a product's records lie: exactly one of a heritage PostgreSQL, a MySQL or MariaDB, and Parquet files."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import ColumnName, HttpsUrl, Strict, cel, check, validations

HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
DATABASE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$"
# A segment never begins with a dot, so no path climbs out of its bucket or volume.
LOCATION_PATTERN = (
    r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|volume://[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*$"
)

Host = Annotated[str, StringConstraints(pattern=HOST_PATTERN, min_length=1, max_length=253)]
Database = Annotated[str, StringConstraints(pattern=DATABASE_PATTERN, min_length=1, max_length=63)]


class SecretRef(Strict):
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", min_length=1, max_length=63)] = Field(
        description="A Secret in the same namespace with the keys username and password; and ca.crt where tls.mode is Verify and no public authority signs."
    )


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


ENDPOINT = cel(
    "self.location.startsWith('s3://') == has(self.endpoint)",
    "spec.source.parquet.endpoint: name the object storage when location begins with s3://, and leave it out for a volume.",
)
CREDENTIALS = cel(
    "self.location.startsWith('s3://') == has(self.credentials)",
    "spec.source.parquet.credentials: name the Secret when location begins with s3://, and leave it out for a volume.",
)
REGION = cel(
    "self.location.startsWith('s3://') || !has(self.region)",
    "spec.source.parquet.region: a volume has no region; leave it out.",
)


class ParquetSource(Strict, json_schema_extra=validations(ENDPOINT, CREDENTIALS, REGION)):
    """Parquet files on object storage or on a volume; all files below the location together are the table."""

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

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        stored = self.location.startswith("s3://")
        check(
            (stored != (self.endpoint is not None), ENDPOINT),
            (stored != (self.credentials is not None), CREDENTIALS),
            (not stored and self.region is not None, REGION),
        )
        return self


ONE_SOURCE = cel(
    "[has(self.postgres), has(self.mysql), has(self.parquet)].exists_one(b, b)",
    "spec.source: set exactly one of postgres, mysql and parquet.",
)


class Source(Strict, json_schema_extra=validations(ONE_SOURCE)):
    """Exactly one kind of source."""

    postgres: PostgresSource | None = None
    mysql: MysqlSource | None = None
    parquet: ParquetSource | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        check((sum(s is not None for s in (self.postgres, self.mysql, self.parquet)) != 1, ONE_SOURCE))
        return self
