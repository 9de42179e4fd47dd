"""From a bare machine to departments that say Ready: each stage is safe to repeat, and a second run does none of the long work again."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from commonweal_cli.agreements import sign_all
from commonweal_cli.agreements.signing import key_in
from commonweal_cli.demo import cleanup
from commonweal_cli.demo.heritage import HeritageMachine
from commonweal_cli.demo.meanwhile import Meanwhile
from commonweal_cli.demo.person import accounts
from commonweal_cli.demo.stages import Stages
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.management.stack import apply
from commonweal_cli.site import operations
from commonweal_local import debian, kernel, machine, management, paths, sites, toolchain
from commonweal_local.exceptions import LocalError
from commonweal_local.images import builder
from commonweal_local.management import layout
from commonweal_local.progress import Progress, Silent
from commonweal_local.sites import bridge, checks, host
from commonweal_local.sites.site import NETWORK
from commonweal_stacks.fleet_names import FLEET
from commonweal_stacks.management_access import VARIABLE
from commonweal_stacks.manifests import NAMESPACE

SITES = ("onprem", "cloud")
TOOLS = ("kubectl", "helm", "pulumi", "pulumi-resource-kubernetes")
SYSTEM = NAMESPACE
KINDS = ("departments", "dataproducts", "consentpolicies", "modelservices")
READY_SECONDS = 300.0
CLUSTER_MADE, CLUSTER_THERE = "created Cluster.cluster.x-k8s.io/", "of it until there was the cluster"


@dataclass(frozen=True)
class Brought:
    """What is up now; `applied` are the files that were applied to each site on the way."""

    clusters: tuple[Kubectl, ...]
    heritage: HeritageMachine
    password: str
    stages: Stages
    outcomes: dict[str, operations.Outcome]
    applied: Sequence[Path] = ()


def example() -> Path:
    """Return the directory of the example that the demonstration applies."""
    return paths.source() / "examples" / "start-a-business"


def heritage_machine() -> HeritageMachine:
    """Return the heritage machine of this home."""
    return HeritageMachine(paths.home() / "heritage")


def kept_password() -> str:
    """Return the password of the demonstration's people on this machine; made once, readable by its owner only."""
    file = paths.home() / "people-password"
    if not file.exists():
        paths.write(file, secrets.token_urlsafe(12), mode=0o600)
    return file.read_text()


def platform(names: Sequence[str] = SITES, progress: Progress | None = None, early: Sequence[Path] = ()) -> Brought:
    """Bring up sites with the platform layer, and the heritage machine beside them. Raises LocalError, which says what to do.

    The files in `early` are applied to each site as soon as all that guards it is in place.
    """
    shown, stages = progress or Progress(), Stages()
    cleanup.sign()
    refuse()
    checks.ground(paths.sites(), sites.Mode.PODS)
    with stages.measured("Debian packages"):
        debian.install(debian.missing(debian.DEMO_PACKAGES), shown)
    kernel.require_pods()
    mend(shown)
    heritage_machine().refuse_foreign()
    with ThreadPoolExecutor(3) as pool:
        # While Go waits for the network, and whatever it leaves of the processors, the rest is made.
        heritage = pool.submit(old_machine, stages, shown)
        made = pool.submit(images_for_sites, stages, shown)
        with stages.measured("tools"):
            tools = tools_for(sites.Mode.PODS, shown)
        fleet = pool.submit(management_cluster, names, stages)
        images, old = made.result(), heritage.result()
        with shown.step("the management cluster, with Cluster API on it", measured="the management cluster"):
            fleet.result()
    take_over(names, list(images.values()))
    password, kubectl = kept_password(), tools["kubectl"].path
    meanwhile = Meanwhile(lambda name: cluster_of(name, kubectl), lambda cluster: enrol(cluster, password), early, len(names))
    with stages.measured("pulumi up"):
        outcomes = pulumi_up(names, shown, stages=stages, told=meanwhile.hear)
    meanwhile.finish(names)
    return Brought(tuple(cluster_of(name, kubectl) for name in names), old, password, stages, outcomes, early)


def cluster_of(name: str, kubectl: Path) -> Kubectl:
    """Return a site of this home as its administrator reaches it."""
    return Kubectl(kubectl, sites.find(name).kubeconfig, name)


def images_for_sites(stages: Stages, progress: Progress) -> dict[str, str]:
    """Make the images and unpack them once for all sites; return the reference of each."""
    with stages.measured("images"):
        return builder.build_for_sites(progress)


def old_machine(stages: Stages, progress: Progress) -> HeritageMachine:
    """Start the heritage machine and fill its databases where they are missing."""
    with stages.measured("heritage machine"), progress.step("the heritage machine, outside every site"):
        heritage = heritage_machine()
        with paths.one_at_a_time(paths.sites()):
            bridge.make()
        heritage.up()
        fill_heritage(heritage, example() / "heritage")
    return heritage


def tools_for(mode: sites.Mode, progress: Progress) -> dict[str, toolchain.Tool]:
    """Return the programs that a demonstration needs; what the management cluster and its sites need is built here, where it is shown."""
    toolchain.definitions("cluster-api", progress)
    return toolchain.ensure(programs(mode), progress)


def has_programs(mode: sites.Mode) -> bool:
    """Return whether nothing has to be built first, which takes many times as long as all else."""
    return all(toolchain.find(name) for name in programs(mode))


def programs(mode: sites.Mode) -> tuple[str, ...]:
    """Return the names of the programs that a demonstration starts."""
    return tuple(dict.fromkeys((*TOOLS, *layout.PROGRAMS, *host.programs_for(mode))))


def management_cluster(names: Sequence[str], stages: Stages, project: Path | None = None) -> None:
    """Start the management cluster, put Cluster API and the classes of sites on it, and meanwhile make the stacks of the sites."""
    with ThreadPoolExecutor(len(names)) as pool:
        stacks = [pool.submit(operations.prepare, name, project) for name in names]
        with stages.measured("management cluster"):
            management.up(Silent())
        with stages.measured("pulumi up of the management cluster"):
            apply(lambda _line: None)
        for stack in stacks:
            stack.result()


def take_over(names: Sequence[str], images: Sequence[str] = ()) -> None:
    """Have the management cluster keep those of the sites that run already, and give them the images; the others are made with both."""
    for status in sites.status():
        if status.name not in names:
            continue
        sites.hand_over(status.name, f"{FLEET}/{status.name}")
        if images and status.running and status.mode == sites.Mode.PODS:
            sites.load(images, [status.name])


def mend(progress: Progress) -> None:
    """See that there is room, and end what an earlier run left that was killed. Raises LocalError before any long work."""
    refuse()
    for one in cleanup.end():
        progress.say(f"  ended {one}")


def refuse() -> None:
    """Raise LocalError when something is in the way that only a person can remove."""
    if VARIABLE in os.environ:
        raise LocalError(
            f"{VARIABLE} names a management cluster, and the demonstration puts its sites on one of its own",
            f"Run it without: `unset {VARIABLE}`.",
        )
    for place in (paths.home(), paths.cache()):
        machine.require_space(place)
    if checks.default_mode() is sites.Mode.PODS and machine.program("ip") and (clash := bridge.conflicting_interface()):
        raise LocalError(
            f"{clash} has an address in {NETWORK}.0/24, which local sites use",
            f"Take that network down (`ip addr show {clash}`), or run the demonstration on another machine.",
        )


def as_it_is() -> Brought:
    """Return what is up already. Raises LocalError when no site is, or none with pods."""
    running = [status for status in sites.status() if status.running]
    if not running:
        raise LocalError("No site is up", "`make demo` brings two up.")
    simulated = [status.name for status in running if status.mode != sites.Mode.PODS]
    if simulated:
        raise LocalError(
            f"Nothing answers on site {', '.join(simulated)}: its pods are simulated, for it was not started as root",
            "`make down`, then `sudo make demo`.",
        )
    kubectl = toolchain.path_of("kubectl")
    clusters = tuple(Kubectl(kubectl, status.kubeconfig, status.name) for status in running)
    return Brought(clusters, heritage_machine(), kept_password(), Stages(), {})


def pulumi_up(
    names: Sequence[str],
    progress: Progress,
    project: Path | None = None,
    *,
    stages: Stages | None = None,
    told: Callable[[str, str], None] = lambda _site, _line: None,
) -> dict[str, operations.Outcome]:
    """Run `pulumi up` for all sites at once; return each outcome. `project` holds the stack files, by default those of the checkout.

    `stages` is told when each cluster was there that the runs made, `told` each line of what was done on a site.
    """
    started = time.monotonic()
    with progress.step(f"pulumi up for {', '.join(names)}") as step, ThreadPoolExecutor(len(names)) as pool:

        def one(name: str) -> operations.Outcome:
            def say(line: str) -> None:
                step.update(f"{name}: {line}")
                told(name, line)
                if stages and line.startswith(CLUSTER_MADE):
                    stages.note(f"{CLUSTER_THERE} {name}", started)

            return operations.up(name, say=say, project=project)

        outcomes = dict(zip(names, pool.map(one, names), strict=True))
    for name, outcome in outcomes.items():
        progress.say(f"  {name}: {operations.summary(outcome)}")
    return outcomes


def enrol(cluster: Kubectl, password: str) -> None:
    """Give the site's issuer the people of the demonstration, unless it has them: a password hash differs each time it is made."""
    if cluster.run("get", "secret", "commonweal-people", "-n", SYSTEM, "--ignore-not-found", "-o", "name").strip():
        return
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "commonweal-people", "namespace": SYSTEM}}
    cluster.apply_object({**manifest, "stringData": {"people.json": json.dumps(accounts(password))}})
    # The kubelet looks for a Secret that came later once a minute only; a new pod finds it at once. There is none yet when this comes in time.
    cluster.run("delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/component=identity", "--wait=false")


def issuer_of(cluster: Kubectl) -> str:
    """Return where the site's small issuer is reached. Raises LocalError where the site runs none."""
    found = _outside(cluster, "identity")
    if not found:
        raise LocalError(
            f"Site {cluster.name} does not run the small issuer, so the people of the demonstration cannot sign in.",
            f"Set identity.enabled: true in the site's stack file, stacks/site/Pulumi.{cluster.name}.yaml, then repeat the command.",
        )
    return found


def portal_of(cluster: Kubectl) -> str:
    """Return where the site's pages for people answer; words for nowhere where the site runs none."""
    return _outside(cluster, "portal") or "no portal runs there"


def _outside(cluster: Kubectl, service: str) -> str:
    found = cluster.run("get", "services", service, "-n", SYSTEM, "--ignore-not-found", "-o", "json")
    return f"https://{json.loads(found)['status']['loadBalancer']['ingress'][0]['ip']}" if found.strip() else ""


def fill_heritage(heritage: HeritageMachine, folder: Path) -> None:
    """Create the example's heritage databases where they are missing."""
    scripts = {file.stem: [file.read_text()] for file in sorted(folder.glob("*.sql"))}
    try:
        asyncio.run(heritage.databases(scripts))
    except (OSError, asyncpg.PostgresError) as error:
        raise LocalError(f"The heritage databases could not be filled: {error}", "`make down`, then try again.") from error


def manifests() -> tuple[Path, Sequence[Path]]:
    """Return the example's files: its departments, and what these publish and agree."""
    first, *rest = sorted(example().glob("*.yaml"))
    return first, rest


def departments(brought: Brought, progress: Progress) -> None:
    """Apply the example on every site, sign its agreements for both parties, and wait until each object says Ready."""
    with (
        brought.stages.measured("departments and all they publish"),
        progress.step("departments, products, agreements and the model") as step,
        ThreadPoolExecutor(len(brought.clusters)) as pool,
    ):
        list(pool.map(lambda cluster: furnish(cluster, brought.applied, step.update), brought.clusters))


def furnish(cluster: Kubectl, applied: Sequence[Path], say: Callable[[str], None]) -> None:
    """Apply what was not yet of the example on one site, sign its agreements for both parties, and wait until each object says Ready."""
    first, rest = manifests()
    if first not in applied:
        cluster.apply(first)
    cluster.wait_for(KINDS[:1], "NamespaceReady", READY_SECONDS, say)
    cluster.apply(*rest)
    sign(cluster, say)
    cluster.wait_for(KINDS, "Ready", READY_SECONDS, say)


def _unkeyed(department: Mapping[str, Any]) -> str | None:
    """Return what a department waits for that cannot sign yet; None when it publishes its key, which the operator makes after the namespaces."""
    if key_in(department.get("status") or {}) is not None:
        return None
    return f"Department {department['metadata']['name']}: its key for signing is not published yet"


def sign(cluster: Kubectl, say: Callable[[str], None], namespaces: Sequence[str] = ()) -> list[str]:
    """Sign every agreement on a site, or in some namespaces, for both its parties, as their stewards would, once each department publishes its key.

    Returns those that were not signed before.
    """
    cluster.wait_for(KINDS[:1], _unkeyed, READY_SECONDS, say)
    say(f"{cluster.name}: both parties sign each agreement")
    return sign_all(cluster, namespaces)


def down() -> list[str]:
    """Take everything down that the demonstration brought up, also half of it; return what would not go, normally nothing."""
    cleanup.end()
    names = {status.name for status in sites.status()} | set(operations.known())
    left = management.down()  # first: it would bring its sites back
    heritage_machine().down()
    left += sites.down()
    for name in sorted(names):
        with suppress(LocalError):  # without pulumi there is nothing to forget with; the next `up` forgets a cluster that is gone
            operations.forget(name)
    return left
