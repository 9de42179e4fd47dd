"""`commonweal product accept-loss NAME --department DEPARTMENT --site SITE --loss LOSS`: what a steward says to a product's load."""

from __future__ import annotations

from pathlib import Path

import click

from commonweal_api import namespace_of
from commonweal_api.common import shown
from commonweal_api.reasons import Reason
from commonweal_cli.conventions import DONE
from commonweal_cli.kubectl import Cluster, Kubectl
from commonweal_cli.where import cluster_options, login
from commonweal_local import toolchain
from commonweal_local.exceptions import LocalError


@click.group()
def product() -> None:
    """What a steward decides of a product's loads."""


@product.command("accept-loss")
@click.argument("name", metavar="NAME")
@click.option("--department", required=True, metavar="DEPARTMENT", help="whose product it is")
@click.option("--loss", required=True, metavar="LOSS", help="the loss, as the condition Loaded names it")
@cluster_options(required=True)
def accept_loss(name: str, department: str, loss: str, site: str | None, kubeconfig: Path | None) -> int:
    """Let one load take away more records than spec.serve.maxLossPercent: the one that is named, and no other."""
    with login(site, kubeconfig) as here:
        accept(Kubectl(toolchain.path_of("kubectl"), here, site or ""), name, namespace_of(department), loss)
    print(f"Accepted: the next load of {name} takes these records away. A later loss is asked about again.")
    return DONE


def accept(cluster: Cluster, name: str, namespace: str, loss: str) -> None:
    """Write the loss into the product; raise LocalError unless it is the one that the product waits for."""
    conditions = (cluster.get("dataproduct", name, namespace).get("status") or {}).get("conditions") or ()
    waits = [c.get("message", "") for c in conditions if c.get("reason") == Reason.LOSS_REFUSED]
    if not any(f"--loss {loss}" in message for message in waits):
        told = f"It says: {shown(waits[0])}" if waits else "It waits for none."
        raise LocalError(
            f"{name} does not wait for the loss {loss}. {told}", "Run the command that the condition Loaded of the DataProduct names now."
        )
    cluster.patch("dataproduct", name, namespace, {"spec": {"serve": {"acceptLoss": loss}}})
