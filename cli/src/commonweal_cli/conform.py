"""`commonweal conform`: whether sites are alike, and if not, in which leaf they differ; and what a site says of itself, signed."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from commonweal_stacks.api import Api
from commonweal_stacks.conformity.examine import Examined, Say, examine, stack_directory
from commonweal_stacks.conformity.picture import page
from commonweal_stacks.conformity.probes import broken_ones
from commonweal_stacks.conformity.record import Expected, enter, expected_of, publish, read, statement_of, write
from commonweal_stacks.conformity.site_key import public_jwk, read_public_key, site_seed
from commonweal_stacks.conformity.tree import Digest, differences
from commonweal_stacks.exceptions import ChartError, SiteConfigError, StatementError

EQUAL, DIFFERENT, FAILED = 0, 1, 2
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


def main(argv: Sequence[str]) -> int:
    """Compare, sign or verify. Exit code 0: alike, signed, or to be believed; 1: not; 2: a site or a file could not be read."""
    words = list(argv)
    commands = {"sign": _sign, "verify": _verify}
    try:
        if words and words[0] in commands:
            return commands[words[0]](words[1:])
        return _compare(words)
    except (SiteConfigError, ChartError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except StatementError as error:
        sys.stderr.write(f"not to be believed: {error}\n")
        return DIFFERENT


def _compare(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="commonweal conform",
        description="Compare the conformity digests of two sites, or hold one against what is expected. "
        "Also: commonweal conform sign SITE; commonweal conform verify FILE --key FILE.",
    )
    parser.add_argument("sites", nargs="+", metavar="SITE", help="name of a stack file, as in Pulumi.SITE.yaml: two, or one with --expect")
    parser.add_argument("--expect", metavar="ROOT", type=_root, help="the root that the site must have")
    parser.add_argument("--expect-file", metavar="FILE", type=Path, help="a signed statement that the site must agree with; needs --key")
    parser.add_argument("--key", metavar="FILE", type=Path, help="public key of the site that signed it")
    parser.add_argument("--html", metavar="FILE", type=Path, help="draw the trees of both sites, and where they differ")
    _common(parser)
    args = parser.parse_args(words)
    wanted = 1 if args.expect or args.expect_file else 2
    if len(args.sites) != wanted or (args.html and wanted == 1) or (args.expect_file and not args.key):
        parser.error("give two sites; or one with --expect ROOT, or with --expect-file FILE and --key FILE. --html needs two")
    expected = _expected(args)  # before the sites are read: a file that is not to be believed costs nobody a minute
    with ThreadPoolExecutor(len(args.sites)) as pool:
        found = list(pool.map(lambda name: _examined(name, args), args.sites))
    for each in found:
        remarks(each, sys.stdout)
    if expected is not None:
        return held_against(found[0], expected, sys.stdout)
    if args.html:
        args.html.write_text(page(*found), encoding="utf-8")
        _line(f"drawn in {args.html}")
    return report(args.sites, [each.digest for each in found], sys.stdout)


def _expected(args: argparse.Namespace) -> Expected | None:
    if args.expect_file:
        envelope, leaves = read(args.expect_file)
        return expected_of(envelope, [read_public_key(args.key)], leaves)
    return Expected("", args.expect, {}) if args.expect else None


def _sign(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="commonweal conform sign", description="Have a site sign what it is; kept on the site.")
    parser.add_argument("site", metavar="SITE")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the statement here, and its leaves beside it")
    _common(parser)
    args = parser.parse_args(words)
    found, at = _examined(args.site, args), datetime.now(UTC)
    seed = site_seed(found.kubeconfig, site=args.site)
    envelope = statement_of(found, seed=seed, at=at)
    publish(Api(found.kubeconfig, site=args.site), envelope, found.digest, public_jwk(seed.hex()))
    remarks(found, sys.stdout)
    _line(f"{args.site}  {found.digest.root}")
    _line(f"signed with key {envelope['signatures'][0]['keyid']}, kept in ConfigMap commonweal-conformity")
    if enter(args.site, found.digest.root, at):
        _line("entered in the fleet's inventory")
    if args.out:
        _line(f"written to {args.out}, its leaves to {write(args.out, envelope, found.digest)}")
    return EQUAL


def _verify(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="commonweal conform verify", description="Check a signed statement; asks no site.")
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument(
        "--key", metavar="FILE", type=Path, required=True, help="public key that is trusted: a JWK, or 64 hexadecimal digits"
    )
    parser.add_argument("--expect", metavar="ROOT", type=_root, help="the root that it must state")
    args = parser.parse_args(words)
    envelope, leaves = read(args.file)
    stated = expected_of(envelope, [read_public_key(args.key)], leaves)
    _line(f"{stated.name}  {stated.root}")
    _line(json.dumps(stated.layers, indent=1))
    if args.expect and args.expect != stated.root:
        _line(f"expected  {args.expect}")
        return DIFFERENT
    _line("signed, and unchanged" + (", with its leaves" if stated.digest is not None else ""))
    return EQUAL


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stacks", type=Path, default=None, help="directory of the stack files (default: stacks/site of the checkout)")
    parser.add_argument("--no-probes", action="store_true", help="only read; such a digest is never equal to one with probes")


def _examined(name: str, args: argparse.Namespace) -> Examined:
    return examine(name, args.stacks or stack_directory(), probing=not args.no_probes, say=_told(name))


def _told(name: str) -> Say:
    def told(line: str) -> None:
        sys.stderr.write(f"  {name}: {line}\n")
        sys.stderr.flush()

    return told


def _root(text: str) -> str:
    if not ROOT.fullmatch(text):
        raise argparse.ArgumentTypeError("is no root: 64 hexadecimal digits, as `commonweal conform` prints them")
    return text
