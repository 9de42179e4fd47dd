"""The two commands: what they read, what they print, how they end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import yaml

from commonweal_api import namespace_of
from commonweal_api.lockin import Finding, Score, items_of, lint, score
from commonweal_cli.conventions import DONE, FAILED, answering, output_option, show
from commonweal_cli.lockin.live import Live
from commonweal_cli.where import cluster_options, login
from commonweal_local.exceptions import LocalError
from commonweal_stacks.exceptions import SiteConfigError


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@output_option
@answering()
def lint_files(files: tuple[str, ...], output: str) -> int:
    """Say what in manifests binds a department to one provider.

    FILE is YAML or JSON; a directory stands for every *.yaml in it, - for standard input. Exit code 1 when something would be refused, 2 when a file
    cannot be read.
    """
    today = datetime.now(UTC).date()
    objects = [obj for name in files for obj in _read(name)]
    findings = lint(objects, today=today)
    shown = score(findings, objects=len(objects), today=today)
    show(output, shown.document(today), lambda: iter([*_lines(shown, today), _summary(shown)]))
    return FAILED if any(f.rule.action == "Deny" for f in shown.open) else DONE


@click.command("score")
@click.argument("department", required=False, metavar="[DEPARTMENT]")
@cluster_options(required=True)
@output_option
@answering(SiteConfigError)
def score_site(department: str | None, site: str | None, kubeconfig: Path | None, output: str) -> int:
    """Say how free a department, or each of a site, is to leave: 100 when nothing binds it to this site.

    Exit code 1 when an exemption has ended, 2 when the site cannot be read.
    """
    today = datetime.now(UTC).date()
    with login(site, kubeconfig) as file:
        scores = scores_of("" if file is None else file.read_text(encoding="utf-8"), department, today=today)
    show(output, {name: one.document(today) for name, one in scores.items()}, lambda: _scores(scores, today))
    return FAILED if any(one.ended for one in scores.values()) else DONE


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


def _scores(scores: Mapping[str, Score], today: date) -> Iterator[str]:
    for name, one in scores.items():
        yield f"{name}: {one.score} of 100 ({one.objects} objects)"
        yield from [f"  {line}" for line in _lines(one, today)] or ["  nothing binds it to this site"]
        if one.exempt:
            yield f"  without exemptions: {one.without_exemptions}"
    if not scores:
        yield "The site has no departments."


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
