"""The two commands: what they read, what they print, how they end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from commonweal_api import namespace_of
from commonweal_api.lockin import Finding, Score, items_of, lint, score
from commonweal_cli.lockin.live import Live
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_stacks.clusters import cluster_of
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.site import SITE_KEY, parse_site, stack_file

CLEAN, FOUND, FAILED = 0, 1, 2


def lint_main(argv: Sequence[str]) -> int:
    """`commonweal lint FILE...`. Exit code 0: nothing that would be refused; 1: something would; 2: a file cannot be read."""
    parser = argparse.ArgumentParser(prog="commonweal lint", description="Say what in manifests binds a department to one provider.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="YAML or JSON; a directory: every *.yaml in it; -: standard input")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    arguments = parser.parse_args(argv)
    today = datetime.now(UTC).date()
    try:
        objects = [obj for name in arguments.files for obj in _read(name)]
    except LocalError as error:
        print(f"commonweal lint: {error}", file=sys.stderr)
        return FAILED
    findings = lint(objects, today=today)
    shown = score(findings, objects=len(objects), today=today)
    print(json.dumps(shown.document(today), indent=1) if arguments.json else "\n".join([*_lines(shown, today), _summary(shown)]))
    return FOUND if any(f.rule.action == "Deny" for f in shown.open) else CLEAN


def score_main(argv: Sequence[str]) -> int:
    """`commonweal score [DEPARTMENT]`. Exit code 0: read; 1: an exemption has ended; 2: the site could not be read."""
    parser = argparse.ArgumentParser(
        prog="commonweal score", description="How free a department is to leave: 100 when nothing binds it to this site."
    )
    parser.add_argument("department", nargs="?", metavar="DEPARTMENT", help="default: every department of the site")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--site", metavar="SITE", help="a site of this machine, or one that has a stack file")
    where.add_argument("--kubeconfig", type=Path, metavar="FILE", help="any cluster with the platform layer")
    parser.add_argument("--json", action="store_true", help="scores and findings as JSON")
    arguments = parser.parse_args(argv)
    try:
        scores = scores_of(_kubeconfig(arguments.site, arguments.kubeconfig), arguments.department, today=datetime.now(UTC).date())
    except (LocalError, SiteConfigError) as error:
        print(f"commonweal score: {error}", file=sys.stderr)
        return FAILED
    _print(scores, datetime.now(UTC).date(), as_json=arguments.json)
    return FOUND if any(one.ended for one in scores.values()) else CLEAN


def scores_of(kubeconfig: str, department: str | None = None, *, today: date) -> dict[str, Score]:
    """Return the score of one department, or of each on the site. Raises LocalError for a department that is not there, SiteConfigError for a site that cannot be asked."""
    live = Live(kubeconfig, site="given")
    names = live.departments()
    if department is not None and department not in names:
        raise LocalError(f"There is no department {department!r} (there are: {', '.join(names) or 'none'})", "Correct the name.")
    return {name: _score(live, name, today) for name in names if department in (None, name)}


def _score(live: Live, department: str, today: date) -> Score:
    objects = live.objects(namespace_of(department))
    return score(lint(objects, today=today), objects=len(objects), today=today)


def _print(scores: Mapping[str, Score], today: date, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: one.document(today) for name, one in scores.items()}, indent=1))
        return
    for name, one in scores.items():
        print(f"{name}: {one.score} of 100 ({one.objects} objects)")
        print("\n".join(f"  {line}" for line in _lines(one, today)) or "  nothing binds it to this site")
        if one.exempt:
            print(f"  without exemptions: {one.without_exemptions}")
    if not scores:
        print("The site has no departments.")


def _lines(shown: Score, today: date) -> list[str]:
    lines = [f"{f.rule.action.lower():<5} {f.object}: {f.sentence()}{_ended(f)}" for f in shown.open]
    for finding in shown.exempt:
        exempted = finding.exemption
        if exempted is not None:
            lines.append(
                f"exempt {finding.object}: {finding.rule.id} for {exempted.days_left(today)} more days ({exempted.until}): {exempted.reason}"
            )
    return lines


def _ended(finding: Finding) -> str:
    if finding.exemption is None:
        return ""
    return f" Its exemption until {finding.exemption.until} does not hold (ended, or more than a year ahead): the next change of the object is refused."


def _summary(shown: Score) -> str:
    refused = sum(f.rule.action == "Deny" for f in shown.open)
    parts = [f"{refused} would be refused", f"{len(shown.open) - refused} would be warned of", f"{len(shown.exempt)} exempt"]
    return f"{shown.objects} objects: {', '.join(parts)}; score {shown.score} of 100"


def _read(name: str) -> list[Mapping[str, Any]]:
    path = Path(name)
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return [item for file in files for document in _documents(file) for item in items_of(document)]


def _documents(file: Path) -> list[Mapping[str, Any]]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        found = [document for document in yaml.safe_load_all(text) if document]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LocalError(f"{file} cannot be read: {error}", "Give files of Kubernetes manifests.") from error
    strange = [document for document in found if not isinstance(document, Mapping)]
    if strange:
        raise LocalError(f"{file} holds something that is no object: {str(strange[0])[:60]!r}", "Give files of Kubernetes manifests.")
    return found


def _kubeconfig(site: str | None, file: Path | None) -> str:
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        own = paths.home() / "sites" / str(site) / "kubeconfig"
        if own.is_file():
            return own.read_text(encoding="utf-8")
        committed = paths.source() / "stacks" / "site" / stack_file(str(site))
        config = yaml.safe_load(committed.read_text(encoding="utf-8"))["config"]
        return cluster_of(parse_site(config.get(SITE_KEY), stack=str(site))).kubeconfig()
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise LocalError(
            f"There is no kubeconfig of {site or file}: {error}", "Name a site of this machine, or give --kubeconfig."
        ) from error
