"""`commonweal conform`: whether sites are alike, and if not, in which leaf they differ; and what a site says of itself, signed."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click

from commonweal_cli.conventions import LazyGroup, answering, output_option, show
from commonweal_cli.where import FILE, SITE, site_argument
from commonweal_stacks.api import Api
from commonweal_stacks.conformity.examine import Examined, Say, examine, stack_directory
from commonweal_stacks.conformity.picture import page
from commonweal_stacks.conformity.probes import broken_ones
from commonweal_stacks.conformity.record import Expected, enter, expected_of, publish, read, statement_of, write
from commonweal_stacks.conformity.site_key import public_jwk, read_public_key, site_seed
from commonweal_stacks.conformity.tree import Digest, differences
from commonweal_stacks.exceptions import ChartError, SiteConfigError, StatementError

EQUAL, DIFFERENT = 0, 1
SHOWN = 50
ROOT = re.compile(r"[0-9a-f]{64}")


def digest_of(stack: str, directory: Path) -> Digest:
    """Return the digest of the site that a stack file names, without probes: nothing is written. Raises SiteConfigError or ChartError."""
    return examine(stack, directory, probing=False, say=lambda _line: None).digest


def report(names: Sequence[str], digests: Sequence[Digest], out: TextIO) -> int:
    """Print both roots and what differs; return the exit code."""
    width = max(len(name) for name in names)
    for name, digest in zip(names, digests, strict=True):
        print(f"{name:<{width}}  {digest.root}", file=out)
    found = differences(*digests)
    if not found:
        leaves = sum(len(layer) for layer in digests[0].layers.values())
        print(f"equal: {leaves} leaves in {len(digests[0].layers)} layers", file=out)
        return EQUAL
    print(f"different in {len(found)} {'leaf' if len(found) == 1 else 'leaves'} ({names[0]} | {names[1]}):", file=out)
    for difference in found[:SHOWN]:
        print(f"  {difference}", file=out)
    if len(found) > SHOWN:
        print(f"  and {len(found) - SHOWN} more", file=out)
    return DIFFERENT


def held_against(found: Examined, expected: Expected, out: TextIO) -> int:
    """Print whether a site is as expected, and if not, in which leaves, or as near to them as is known; return the exit code."""
    if expected.digest is not None:
        return report([found.site, expected.name or "expected"], [found.digest, expected.digest], out)
    print(f"{found.site}  {found.digest.root}", file=out)
    if found.digest.root == expected.root:
        print("as expected", file=out)
        return EQUAL
    print(f"expected  {expected.root}", file=out)
    roots = found.digest.roots
    layers = [name for name in sorted({*roots, *expected.layers}) if roots.get(name) != expected.layers.get(name)]
    if expected.layers:
        print(f"different in the layers {', '.join(layers)}", file=out)
    print(
        f"To see the leaf: `commonweal conform {found.site} SITE` with a site that is as expected, or --expect-file with its leaves.",
        file=out,
    )
    return DIFFERENT


def remarks(found: Examined, out: TextIO) -> None:
    """Print which promises a site breaks, and how many could not be tried."""
    for line in broken_ones(found.verdicts):
        print(f"{found.site} breaks a promise: {line}", file=out)
    if found.unknown:
        first = found.verdicts[found.unknown[0]].leaf
        print(f"{found.site}: {len(found.unknown)} of {len(found.verdicts)} {first}", file=out)


@click.group(cls=LazyGroup, default="compare")
def conform() -> None:
    """Whether sites are alike, and what a site says of itself, signed.

    `commonweal conform SITE SITE` compares. Exit code 0: alike, signed, or to be believed; 1: not; 2: a site or a file could not be read.
    """


def _root(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not ROOT.fullmatch(value):
        raise click.BadParameter("is no root: 64 hexadecimal digits, as `commonweal conform` prints them")
    return value


def _believing(command: Callable[..., int]) -> Callable[..., int]:
    """A statement that is not to be believed is an answer; a site or a file that cannot be read is none."""

    @answering(SiteConfigError, ChartError)
    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> int:
        try:
            return command(*args, **kwargs)
        except StatementError as error:
            sys.stderr.write(f"not to be believed: {error}\n")
            return DIFFERENT

    return run


stacks_option = click.option(
    "--stacks", type=FILE, metavar="DIRECTORY", help="directory of the stack files (default: stacks/site of the checkout)"
)
probes_option = click.option("--no-probes", is_flag=True, help="only read; such a digest is never equal to one with probes")


@conform.command("compare")
@click.argument("sites", nargs=-1, required=True, metavar="SITE [SITE]", type=SITE)
@click.option("--expect", metavar="ROOT", callback=_root, help="the root that the site must have")
@click.option("--expect-file", metavar="FILE", type=FILE, help="a signed statement that the site must agree with; needs --key")
@click.option("--key", metavar="FILE", type=FILE, help="public key of the site that signed it")
@click.option("--html", metavar="FILE", type=FILE, help="draw the trees of both sites, and where they differ")
@stacks_option
@probes_option
@_believing
def compare_sites(
    sites: tuple[str, ...],
    expect: str | None,
    expect_file: Path | None,
    key: Path | None,
    html: Path | None,
    stacks: Path | None,
    no_probes: bool,
) -> int:
    """Compare two sites, or hold one against what is expected. SITE is the name of a stack file, as in Pulumi.SITE.yaml."""
    wanted = 1 if expect or expect_file else 2
    if len(sites) != wanted or (html and wanted == 1) or (expect_file and not key):
        raise click.UsageError("Give two sites; or one with --expect ROOT, or with --expect-file FILE and --key FILE. --html needs two.")
    expected = _expected(expect, expect_file, key)  # before the sites are read: a file that is not to be believed costs nobody a minute
    return compare(sites, expected=expected, html=html, stacks=stacks, probing=not no_probes)


def compare(
    names: Sequence[str], *, expected: Expected | None = None, html: Path | None = None, stacks: Path | None = None, probing: bool = True
) -> int:
    """Examine the sites at the same time, print whether they are alike, or the one is as expected, and return the exit code. Raises SiteConfigError, ChartError."""
    with ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(lambda name: _examined(name, stacks, probing=probing), names))
    for each in found:
        remarks(each, sys.stdout)
    if expected is not None:
        return held_against(found[0], expected, sys.stdout)
    if html:
        html.write_text(page(*found), encoding="utf-8")
        _line(f"drawn in {html}")
    return report(names, [each.digest for each in found], sys.stdout)


def _expected(root: str | None, file: Path | None, key: Path | None) -> Expected | None:
    if file and key:
        envelope, leaves = read(file)
        return expected_of(envelope, [read_public_key(key)], leaves)
    return Expected("", root, {}) if root else None


@conform.command("sign")
@site_argument
@click.option("--out", metavar="FILE", type=FILE, help="write the statement here, and its leaves beside it")
@stacks_option
@probes_option
@_believing
def sign(site: str, out: Path | None, stacks: Path | None, no_probes: bool) -> int:
    """Have a site sign what it is; kept on the site."""
    found, at = _examined(site, stacks, probing=not no_probes), datetime.now(UTC)
    seed = site_seed(found.kubeconfig, site=site)
    envelope = statement_of(found, seed=seed, at=at)
    publish(Api(found.kubeconfig, site=site), envelope, found.digest, public_jwk(seed.hex()))
    remarks(found, sys.stdout)
    _line(f"{site}  {found.digest.root}")
    _line(f"signed with key {envelope['signatures'][0]['keyid']}, kept in ConfigMap commonweal-conformity")
    if enter(site, found.digest.root, at):
        _line("entered in the fleet's inventory")
    if out:
        _line(f"written to {out}, its leaves to {write(out, envelope, found.digest)}")
    return EQUAL


@conform.command("verify")
@click.argument("file", metavar="FILE", type=FILE)
@click.option("--key", metavar="FILE", type=FILE, required=True, help="public key that is trusted: a JWK, or 64 hexadecimal digits")
@click.option("--expect", metavar="ROOT", callback=_root, help="the root that it must state")
@output_option
@_believing
def verify(file: Path, key: Path, expect: str | None, output: str) -> int:
    """Check a signed statement; asks no site."""
    envelope, leaves = read(file)
    stated = expected_of(envelope, [read_public_key(key)], leaves)
    good = not expect or expect == stated.root
    said = "signed, and unchanged" + (", with its leaves" if stated.digest is not None else "") if good else f"expected  {expect}"
    lines = [f"{stated.name}  {stated.root}", json.dumps(stated.layers, indent=1), said]
    document = {"site": stated.name, "root": stated.root, "layers": dict(stated.layers), "good": good}
    show(output, document, lambda: iter(lines))
    return EQUAL if good else DIFFERENT


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _examined(name: str, stacks: Path | None, *, probing: bool) -> Examined:
    return examine(name, stacks or stack_directory(), probing=probing, say=_told(name))


def _told(name: str) -> Say:
    def told(line: str) -> None:
        sys.stderr.write(f"  {name}: {line}\n")
        sys.stderr.flush()

    return told
