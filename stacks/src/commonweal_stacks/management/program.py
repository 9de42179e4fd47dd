"""What `pulumi up` runs for a management cluster: read the configuration, refuse what is wrong with it, register Cluster API."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pulumi

from commonweal_stacks.checkout import source
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management import deployments
from commonweal_stacks.management.certificates import issue
from commonweal_stacks.management.component import ManagementCluster, ManagementClusterArgs
from commonweal_stacks.management.config import MANAGEMENT_KEY, SEED_KEY, ManagementConfig, parse_management, parse_seed
from commonweal_stacks.management.plan import Plan, Processes, for_deployments, for_processes
from commonweal_stacks.management.upstream import UPSTREAM
from commonweal_stacks.management_access import management_file, management_kubeconfig
from commonweal_stacks.stack_file import setting


def deploy() -> None:
    """Deploy the management cluster. Wrong configuration ends the program before anything is registered, with a remedy."""
    try:
        _deploy(pulumi.get_stack(), dt.datetime.now(dt.UTC))
    except SiteConfigError as error:
        raise pulumi.RunError(str(error)) from error


def _deploy(stack: str, now: dt.datetime) -> None:
    config = parse_management(setting(MANAGEMENT_KEY, stack), stack=stack)
    kubeconfig = management_file()
    identifier = cluster_uid(management_kubeconfig(), site="of the management cluster")
    providers = source() / "stacks" / "management" / "providers"
    if config.controllers == "Processes":
        run = processes_beside(kubeconfig)
        plan, ready = for_processes(config, run, providers), run.ready
    else:
        plan, ready = _as_deployments(config, stack, providers, now), ""
    args = ManagementClusterArgs(plan=plan, kubeconfig=kubeconfig, cluster_identifier=identifier, ready=ready)
    pulumi.export("namespace", ManagementCluster(stack, args).namespace)
    pulumi.export("clusterIdentifier", identifier)
    pulumi.export("clusterApi", UPSTREAM["cluster-api"].version)


def processes_beside(kubeconfig: Path) -> Processes:
    """Return where the controllers of an embedded management cluster answer. Raises SiteConfigError."""
    file = kubeconfig.with_name("controllers.json")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SiteConfigError(
            f"{file} cannot be read ({error}), so this is no embedded management cluster. Start one with `commonweal management up`, or set "
            f"`controllers: Deployments` in {MANAGEMENT_KEY}."
        ) from error
    return Processes.read(data, file)


def _as_deployments(config: ManagementConfig, stack: str, providers: Path, now: dt.datetime) -> Plan:
    seed = parse_seed(pulumi.runtime.get_config(SEED_KEY), stack=stack, secret=pulumi.runtime.is_config_secret(SEED_KEY))
    return for_deployments(
        config,
        lambda controller: issue(seed, controller.prefix, deployments.hosts(controller), year=now.year),
        providers,
        hidden=pulumi.Output.secret,
    )
