"""`commonweal bundle make|verify|open FILE`."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

import click

from commonweal_api.signatures import jwk_of, key_id, public_key
from commonweal_cli.bundle import archive, contents, opening
from commonweal_cli.bundle.opening import megabytes
from commonweal_cli.conventions import DONE
from commonweal_cli.where import FILE
from commonweal_local import machine, paths
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress
from commonweal_stacks.conformity.site_key import read_public_key
from commonweal_stacks.conformity.statement import BUNDLE, sign
from commonweal_stacks.exceptions import SiteConfigError

SEED = re.compile(r"[0-9a-f]{64}")


key_option = click.option(
    "--key", type=FILE, required=True, metavar="FILE", help="the public key of who made it: a JWK, or 64 hexadecimal digits"
)
file_argument = click.argument("file", type=FILE, metavar="FILE")


@click.group()
def bundle() -> None:
    """Everything that a machine without a network needs, in one signed archive."""


@bundle.command("make")
@file_argument
@click.option("--key", type=FILE, metavar="FILE", help="64 hexadecimal digits to sign with (default: this machine's, made once)")
def make_bundle(file: Path, key: Path | None) -> int:
    """Write the archive; fetches and builds what is missing."""
    seed = seed_of(key)
    statement = make(file, seed, Progress())
    public = paths.write(file.with_name(f"{file.name}.pub"), jwk_of(public_key(seed)))
    print(f"{file}: {file.stat().st_size / 1e6:.0f} MB, {statement} files, signed by key {key_id(public_key(seed))}")
    print(f"Give {public} to who opens it, by another way than the archive.")
    return DONE


def make(file: Path, seed: bytes, progress: Progress) -> int:
    """Write the archive of this checkout, signed; return how many files are in it. The same content gives the same bytes. Raises LocalError."""
    found, modified = contents.gather(progress), contents.committed_at()
    machine.require_space(file.parent, found.size / 2**30 + opening.SPARE_GIB)
    with progress.step(f"digests of {len(found.entries)} files") as step:
        subjects = archive.digests(found, lambda done: step.update(megabytes(done, found.size)))
    predicate = {**contents.described(), "links": dict(found.links), "bytes": found.size}
    envelope = sign(BUNDLE, subjects, predicate, seed=seed, at=datetime.fromtimestamp(modified, UTC))
    with progress.step(f"writing {file}") as step:
        archive.write(file, found, envelope, modified=modified, told=lambda done: step.update(megabytes(done, found.size)))
    return len(found.entries)


@bundle.command("verify")
@file_argument
@key_option
def verify_bundle(file: Path, key: Path) -> int:
    """Check the signature and every file."""
    trusted = public(key)
    with Progress().step(f"checking {file}") as step:
        statement = archive.read(file, [trusted], into=None, told=lambda done: step.update(f"{done / 1e6:.0f} MB"))
    predicate = statement["predicate"]
    print(f"{file}: as key {key_id(trusted)} signed it; {len(statement['subject'])} files of revision {predicate['revision']}")
    return DONE


@bundle.command("open")
@file_argument
@key_option
@click.option("--into", type=FILE, default=Path("commonweal"), metavar="DIRECTORY", help="a new directory (default: ./commonweal)")
@click.option("--install", is_flag=True, help="install the Debian packages that sites need and that are missing (as root)")
def open_bundle(file: Path, key: Path, into: Path, install: bool) -> int:
    """Check it, put its files in place, and make a Python environment of them."""
    progress = Progress()
    into = into.expanduser().absolute()
    statement = opening.unpack(file, [public(key)], into, progress)
    if install:
        opening.install_debian(into, progress)
    script = opening.install(into, statement, progress)
    print(f"Opened into {into}. From now on, without a network:\n  {script} doctor\n  {script} demo")
    return DONE


def public(file: Path) -> bytes:
    """Return the public key in a file. Raises LocalError."""
    try:
        return read_public_key(file)
    except (SiteConfigError, ValueError, OSError) as error:
        raise LocalError(f"--key {file}: {error}", "Give the public key of who made the bundle.") from error


def seed_of(file: Path | None) -> bytes:
    """Return the key to sign with: that of the file, else this machine's, which is made once and which only its owner may read. Raises LocalError."""
    place = file or paths.home() / "bundle-key"
    if file is None and not place.exists():
        paths.write(place, secrets.token_hex(32) + "\n", mode=0o600)
    try:
        text = place.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"--key {place}: {error}", "Give a file with 64 hexadecimal digits (`openssl rand -hex 32`).") from error
    if not SEED.fullmatch(text):
        raise LocalError(f"--key {place}: is not 64 hexadecimal digits in lower case", "`openssl rand -hex 32` makes such a key.")
    return bytes.fromhex(text)
