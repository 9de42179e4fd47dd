"""`python -m commonweal_local.provider --kubeconfig FILE`: run until SIGTERM or SIGINT. Sites go on running."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from commonweal_kube.client import Api
from commonweal_kube.cluster import Cluster
from commonweal_kube.exceptions import ClusterLoginError
from commonweal_local import paths
from commonweal_local.provider.facts import Mode
from commonweal_local.provider.local import Sites
from commonweal_local.provider.provider import Provider
from commonweal_local.sites.checks import default_mode

AGENT = "commonweal-local-provider"
CONNECTIONS = 16


def main(argv: list[str] | None = None) -> int:
    """Run the provider; 2 when there is no usable login."""
    parser = argparse.ArgumentParser(prog="commonweal_local.provider", description="Local sites as a Cluster API provider.")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="the management cluster")
    parser.add_argument("--mode", choices=[mode.value for mode in Mode], help="of control planes that name none (default: Pods as root)")
    parser.add_argument("--workers", type=int, default=8, help="Clusters worked on at the same time")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    mode = Mode(arguments.mode) if arguments.mode else (Mode.PODS if default_mode().value == "pods" else Mode.CONTROL_PLANE)
    try:
        cluster = Cluster.find(arguments.kubeconfig)
    except ClusterLoginError as error:
        print(error, file=sys.stderr)
        return 2
    asyncio.run(_run(cluster, mode, arguments.workers))
    return 0


async def _run(cluster: Cluster, mode: Mode, workers: int) -> None:
    requests, watches = Api(cluster, CONNECTIONS, AGENT), Api(cluster, CONNECTIONS, AGENT)
    running = asyncio.ensure_future(Provider(requests, watches, Sites(paths.sites()), mode, workers).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped; the sites go on")
    finally:
        await requests.close()
        await watches.close()


if __name__ == "__main__":
    sys.exit(main())
