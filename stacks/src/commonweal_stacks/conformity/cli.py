"""`commonweal conform A B`: whether two sites are alike, and if not, in which leaf they differ."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import yaml

from commonweal_stacks.clusters import cluster_of
from commonweal_stacks.conformity.gather import gather
from commonweal_stacks.conformity.tree import Digest, differences
from commonweal_stacks.platform.chart import ChartError, source
from commonweal_stacks.platform.layer import build_layer
from commonweal_stacks.site import IMAGES_KEY, SITE_KEY, SiteConfigError, load_images, parse_site, stack_file

EQUAL, DIFFERENT, FAILED = 0, 1, 2
SHOWN = 50


def stack_directory() -> Path:
    """Return the directory of the stack files that come with the checkout."""
    return source() / "stacks" / "site"


def digest_of(stack: str, directory: Path) -> Digest:
    """Return the digest of the site that a stack file names. Raises SiteConfigError or ChartError."""
    file = directory / stack_file(stack)
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8")).get("config", {})
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise SiteConfigError(f"{file} cannot be read: {error}. Give the name of a site that has a stack file.") from error
    site = parse_site(config.get(SITE_KEY), stack=stack)
    layer = build_layer(site, load_images(config.get(IMAGES_KEY), stack=stack), "(secret)", "(secret)")
    return gather(layer, cluster_of(site).kubeconfig(), site=stack)


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


def main(argv: Sequence[str]) -> int:
    """Compare two sites. Exit code 0: equal; 1: different; 2: a site could not be read."""
    parser = argparse.ArgumentParser(prog="commonweal conform", description="Compare the conformity digests of two sites.")
    parser.add_argument("sites", nargs=2, metavar="SITE", help="name of a stack file, as in Pulumi.SITE.yaml")
    parser.add_argument("--stacks", type=Path, default=None, help="directory of the stack files (default: stacks/site of the checkout)")
    args = parser.parse_args(argv)
    try:
        digests = [digest_of(name, args.stacks or stack_directory()) for name in args.sites]
    except (SiteConfigError, ChartError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return report(args.sites, digests, sys.stdout)
