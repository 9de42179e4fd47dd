"""The command: bring everything up, walk the journey on each site, compare the sites, say how to go on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from commonweal_cli.conventions import DONE, FAILED, LazyGroup, told
from commonweal_cli.demo import bring_up, control_plane, recording
from commonweal_cli.demo.person import PEOPLE
from commonweal_cli.demo.record import Record
from commonweal_cli.demo.report import Row, table
from commonweal_cli.demo.walk import summary, walk
from commonweal_cli.exceptions import HeritageError
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.main import main as commonweal
from commonweal_cli.where import FILE, SITE
from commonweal_local import debian, management, paths, sites
from commonweal_local.progress import Progress
from commonweal_local.sites import checks
from commonweal_runtime.exceptions import SignInError
from commonweal_stacks.manifests import NAMESPACE

FIRST_READ = "Benefits reads the consenting person"
TO_FIRST_READ = "start to the first consented read"


def journeys(brought: bring_up.Brought, tell: Callable[[Row], None] = lambda _: None, keep: dict[str, list[Row]] | None = None) -> bool:
    """Walk each site's journey and print its table; return whether everything happened as it must. `keep` receives each site's rows."""
    good = True
    for cluster in brought.clusters:
        with brought.stages.measured(f"journey on {cluster.name}"):
            rows = walk(cluster, bring_up.issuer_of(cluster), brought.password, tell)
        if keep is not None:
            keep[cluster.name] = rows
        print(f"\nThe journey on site {cluster.name}:\n\n{table(rows)}\n")
        print(summary(rows))
        good &= all(row.ok for row in rows)
    return good


def endpoints(brought: bring_up.Brought) -> str:
    """Return where everything answers, and how to stop."""
    lines = ["Endpoints:"]
    for cluster in brought.clusters:
        lines.append(f"  site {cluster.name}: kubectl --kubeconfig {cluster.kubeconfig} get commonweal -A")
        for item in cluster.items("departments"):
            status = item["status"]
            lines.append(f"    {item['metadata']['name']:<22} data API {status['dataApi']}/openapi.json   models {status['models']}/v2")
        lines.append(f"    which authority to trust there: curl --cacert {_authority_of(cluster)}")
    return "\n".join([*lines, "Stop: make down"])


def pages(brought: bring_up.Brought) -> str:
    """Return where people's own pages are, and who can sign in there: what the demonstration ends with."""
    lines = ["The portal, on which people see who uses their information, and decide:"]
    for cluster in brought.clusters:
        address = bring_up.portal_of(cluster)
        lines.append(f"  site {cluster.name}: {address}   open it: commonweal local open portal {cluster.name}")
    return "\n".join([*lines, f"  sign in as {', '.join(PEOPLE)}", f"  password: {brought.password}"])


def _authority_of(cluster: Kubectl) -> Path:
    """Write the certificate of the authority to trust at a site beside this home's password, and return the file."""
    return paths.write(paths.home() / f"ca-{cluster.name}.crt", cluster.authority(NAMESPACE))


def timings(seconds: Mapping[str, float], total: float) -> str:
    """Return how long each stage took."""
    rows = [f"  {name:<32} {each:7.1f} s" for name, each in seconds.items()]
    return "\n".join(["Time:", *rows, f"  {'in all':<32} {total:7.1f} s"])


def memory(mib: Mapping[str, int]) -> str:
    """Return what each cluster holds in memory."""
    return "\n".join(["Memory:", *(f"  {name:<32} {each:7} MiB" for name, each in mib.items())])


def demonstrate(names: Sequence[str], progress: Progress) -> Record:
    """Run the whole demonstration, print what happened, and return the record of it."""
    started, rows = time.monotonic(), dict[str, list[Row]]()
    brought = bring_up.platform(names, progress, early=[bring_up.manifests()[0]])
    bring_up.departments(brought, progress)

    def tell(row: Row) -> None:
        if row.step == FIRST_READ and row.ok:
            brought.stages.reached(TO_FIRST_READ)

    good = journeys(brought, tell, rows)
    alike = len(names) < 2 or compared(names[:2])
    held = {status.name: status.memory_mib for status in sites.status()}
    record = Record(
        "pods",
        good and alike,
        time.monotonic() - started,
        brought.stages.seconds,
        held,
        alike,
        rows,
        brought.stages.spans,
        brought.stages.since,
    )
    shown = {**held, "the management cluster": management.status().memory_mib}
    print(f"\n{timings(record.stages, record.seconds)}\n{memory(shown)}\n\n{endpoints(brought)}\n\n{pages(brought)}")
    return record


def recorded(file: Path | None, journeys: Mapping[str, Sequence[Row]]) -> None:
    """Draw the first site's journey into `file`, if one is wanted."""
    if file is not None:
        site, rows = next(iter(journeys.items()))
        paths.write(file.absolute(), recording.picture(site, rows))


def compared(names: Sequence[str]) -> bool:
    """Print whether two sites are alike, and return it."""
    print("\nAre the sites alike?")
    return commonweal(["conform", *names]) == DONE


def without_pods(names: Sequence[str], progress: Progress) -> Record:
    """Run what can be shown without root, print what happened and what was not shown, and return the record of it."""
    progress.say("The sites' control planes will be real, their nodes and pods simulated.")
    for line in to_ask_for():
        progress.say(line)
    record, text = control_plane.demonstrate(names, progress)
    held = {**record.memory_mib, "the management cluster": management.status().memory_mib}
    print(f"{text}\n\n{timings(record.stages, record.seconds)}\n{memory(held)}")
    return record


def to_ask_for() -> list[str]:
    """What somebody who is not root has to ask an administrator for, so that pods are real; nothing for root, who asked for simulated ones."""
    if os.geteuid() == 0:
        return []
    missing = debian.missing(debian.DEMO_PACKAGES) if debian.has_apt() else []
    lines = ["Real pods need root: `sudo make demo`, which installs by itself what this machine lacks."]
    if missing:
        lines = [
            "Real pods need root, and Debian packages that this machine lacks:",
            *(f"  {package.line()}" for package in missing),
            f"Ask an administrator to run: {debian.install_command(missing)}",
            "and after that: sudo make demo",
        ]
    return [*lines, "Going on with what can be had without."]


record_option = click.option("--record", type=FILE, metavar="FILE.svg", help="draw the first site's journey there, as a terminal showed it")


@click.group(cls=LazyGroup, default="up")
def demo() -> None:
    """Everything once, on real sites on this machine; without a command: up.

    Exit code 0: everything happened as it must; 1: it did not, or something is missing, with the remedy.
    """


@demo.command("up")
@click.argument("names", nargs=-1, metavar="[SITE]...", type=SITE)
@click.option("--sites", "more", multiple=True, hidden=True, metavar="SITE", help="as SITE")
@click.option("--mode", type=click.Choice([mode.value for mode in sites.Mode]), help="default: pods as root, control-plane otherwise")
@click.option("--json", "figures", type=FILE, metavar="FILE", help="write what was measured there, too")
@record_option
def bring_everything_up(names: tuple[str, ...], more: tuple[str, ...], mode: str | None, figures: Path | None, record: Path | None) -> int:
    """Bring everything up, with data, walk the journey on each site, and compare the sites."""
    with told(HeritageError, SignInError):
        return _carry_out([*more, *names] or list(bring_up.SITES), sites.Mode(mode) if mode else checks.default_mode(), figures, record)


def _carry_out(names: Sequence[str], mode: sites.Mode, figures: Path | None, picture: Path | None) -> int:
    shown, progress = demonstrate if mode is sites.Mode.PODS else without_pods, Progress()
    with progress.whole(f"the demonstration ({mode}){'' if bring_up.has_programs(mode) else ', its programs built first'}"):
        record = shown(names, progress)
    if figures:
        record.write(figures)
    recorded(picture, record.journeys)
    return DONE if record.ok else FAILED


@demo.command("down")
def take_everything_down() -> int:
    """End everything that the demonstration started, and remove what it left."""
    with told(HeritageError):
        left = bring_up.down()
    print("\n".join(f"left behind: {one}" for one in left) or "Everything is down; nothing of it is left.")
    return FAILED if left else DONE


@click.command("journey")
@record_option
def journey(record: Path | None) -> int:
    """Walk through the example again, on the sites that are up."""
    rows = dict[str, list[Row]]()
    with told(HeritageError, SignInError):
        good = journeys(bring_up.as_it_is(), keep=rows)
    recorded(record, rows)
    return DONE if good else FAILED


demo.add_command(journey)
