"""`commonweal source inspect WHERE`: a source is read, and a product drafted from what it has."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from commonweal_api import namespace_of
from commonweal_cli.conventions import DONE
from commonweal_cli.source.draft import Draft, written
from commonweal_cli.source.reading import guess, headings, seen
from commonweal_cli.source.whereabouts import Whereabouts, kind_of, of_bucket, of_database, of_path
from commonweal_local.exceptions import LocalError
from commonweal_runtime.exceptions import SourceReadError
from commonweal_runtime.store.sources import Credentials
from commonweal_runtime.store.sources.places import SUFFIXES

PASSWORD = "COMMONWEAL_SOURCE_PASSWORD"
ROWS = 100_000


@click.group()
def source() -> None:
    """Look at a source before it is published."""


@source.command()
@click.argument("where", metavar="WHERE")
@click.option("--name", default="draft", show_default=True, help="name of the product")
@click.option("--department", default="my-department", show_default=True, help="whose product it is")
@click.option("--key", metavar="COLUMN", help="the column that says who a record is about (default: the likeliest)")
@click.option("--rows", default=ROWS, show_default=True, type=click.IntRange(0), help="how many rows are looked at; 0: all")
@click.option("--examples", is_flag=True, help="print some values as well: they may be personal data")
@click.option("--kind", type=click.Choice(list(SUFFIXES)), help="kind of the files (default: as their names end)")
@click.option("--location", metavar="LOCATION", help="what the draft says of where files lie (default: made from the path)")
@click.option(
    "--volumes", type=click.Path(path_type=Path, exists=True, file_okay=False), help="folder with one folder for each claim, for volume://"
)
@click.option("--endpoint", metavar="URL", help="the object storage, for s3://")
@click.option("--region", metavar="REGION", help="region that requests are signed for, for s3://")
@click.option("--user", metavar="KEY", help="access key, for s3://")
@click.option("--secret", default="source-login", show_default=True, help="name of the Secret that will hold the login")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=f"file with the password (default: {PASSWORD}, else it is asked for)",
)
def inspect(where: str, **given: Any) -> int:
    """Read the source WHERE and print a DataProduct: types, a profile, proposals. Nothing is written to the source or to a cluster.

    WHERE is postgres://USER@HOST:PORT/DATABASE/SCHEMA.TABLE, mysql://USER@HOST/DATABASE/TABLE, a path, volume://CLAIM/PATH or s3://BUCKET/PREFIX.
    Of CSV files it guesses encoding, delimiter and headings. Ranges and shapes of values are printed; values only with --examples.
    """
    try:
        print(_drafted(where, given), end="")
    except SourceReadError as error:
        raise LocalError(f"{where}: {error.detail}", "Correct the address, the login or the file.") from None
    return DONE


def _drafted(text: str, given: Mapping[str, Any]) -> str:
    where = _where(text, given)
    kind = where.kind or given["kind"] or kind_of(where, text)
    password = _password(where, given["password_file"])
    credentials = Credentials(where.user, password) if where.user is not None and password is not None else None
    section, notes = dict(where.section), list(where.notes)
    try:
        if kind == "csv":
            found = guess(where, kind, section, credentials)
            section |= found.written
            notes += found.notes
        if kind == "excel":
            section |= asyncio.run(headings(where, kind, section, credentials))
        result = asyncio.run(seen(where, kind, section, credentials, given["rows"], _tell))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise LocalError(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}", "Correct what was given of it.") from None
    if given["key"] and given["key"] not in result.profiles:
        raise LocalError(f"there is no column {given['key']} that can be a key", f"Name one of {', '.join(result.profiles)}.")
    if not result.profiles:
        raise LocalError("no column there can be named by a field", "Publish a view of it with columns of plain types and names.")
    draft = Draft(
        given["name"],
        namespace_of(given["department"]),
        kind,
        section,
        result.listed,
        result.profiles,
        result.rows,
        result.whole,
        notes,
        given["key"],
        given["examples"],
    )
    return written(draft)


def _where(text: str, given: Mapping[str, Any]) -> Whereabouts:
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme in {"postgres", "postgresql", "mysql", "mariadb"}:
        return of_database(text, given["secret"])
    if scheme == "s3":
        return of_bucket(text, given["endpoint"], given["region"], given["user"], given["secret"])
    return of_path(text, given["volumes"], given["location"])


def _password(where: Whereabouts, file: Path | None) -> str | None:
    """Return the password, which is on no command line: from a file, from the environment, or from whoever sits there."""
    if where.user is None:
        return None
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        raise LocalError("the login needs a password", f"Set {PASSWORD}, or give --password-file FILE.")
    found: str = click.prompt(f"Password of {where.user}", hide_input=True, err=True)
    return found


def _tell(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)
