"""The process: login, engine, kopf and probes, until a signal or a defect ends it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import kopf
import uvloop
import yaml

from commonweal_api.certificates import SITE_AUTHORITY, Authority
from commonweal_api.common import AUTHORITY
from commonweal_api.directory import Listed
from commonweal_api.signatures import canonical, issuer_jwks
from commonweal_kube.client import Api
from commonweal_kube.cluster import Cluster
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from commonweal_kube.objects import ObjectCache
from commonweal_operator.desired.authority import standing
from commonweal_operator.desired.manifest import RESOURCES
from commonweal_operator.desired.platform import PlatformConfig
from commonweal_operator.engine.apply import Problem
from commonweal_operator.engine.certificates import Caller, there
from commonweal_operator.engine.core import Engine
from commonweal_operator.engine.issuer import IssuerKeeper
from commonweal_operator.engine.keys import DepartmentKeys
from commonweal_operator.engine.lease import Lease
from commonweal_operator.engine.master import authority_key, master_key
from commonweal_operator.engine.metrics import exposition
from commonweal_operator.engine.probes import LoopWatch, Probes
from commonweal_operator.engine.watched import LIST_WATCHES
from commonweal_operator.handlers.events import registry_for
from commonweal_operator.handlers.settings import quiet_settings
from commonweal_operator.kinds.gather import Input
from commonweal_operator.kinds.reading import collection_of, key_of, listed, read
from commonweal_operator.kinds.rules import KindRules
from commonweal_operator.kinds.view import ClusterView

log = logging.getLogger(__name__)
CONFIG = Path("/etc/commonweal/config.yaml")
CLOSING_SECONDS = 0.5
STREAMS = len(LIST_WATCHES)  # each watch of children holds a connection for ever
LOOK_SECONDS = 5.0
ISSUER_FALLBACK = "https://kubernetes.default.svc.cluster.local"


def arguments() -> argparse.Namespace:
    """Return the command line; inside a pod none is needed."""
    parser = argparse.ArgumentParser(prog="commonweal-operator", description="Brings every department to what its objects say.")
    parser.add_argument("--config", type=Path, default=CONFIG, help="the platform configuration (default: %(default)s)")
    parser.add_argument("--kubeconfig", type=Path, help="log in with this file (default: KUBECONFIG, else the pod's account)")
    parser.add_argument("--workers", type=int, default=16, help="objects reconciled at the same time (default: %(default)s)")
    parser.add_argument("--resync", type=float, default=600.0, metavar="SECONDS", help="between full lists (default: %(default)s)")
    parser.add_argument("--probes", default="0.0.0.0:8083", metavar="HOST:PORT", help="health and metrics (default: %(default)s)")
    parser.add_argument("--elect", action="store_true", help="act only while holding the Lease; needed with more than one replica")
    return parser.parse_args()


def main() -> None:
    """Run the operator; the exit status is 0 after SIGTERM or SIGINT."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        # No core dump, also where a kernel pipes them, which asks for no other limit: the site's keys would be in it.
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)  # at INFO it writes a line per event, at DEBUG whole objects
    options = arguments()
    uvloop.run(operate(options, PlatformConfig.model_validate(yaml.safe_load(options.config.read_text()))))


async def operate(options: argparse.Namespace, platform: PlatformConfig) -> None:
    """Run until kopf ends on a signal, or any part fails: a part that died must end the process, loudly."""
    cluster = Cluster.find(options.kubeconfig)
    async with AsyncExitStack() as stack:
        # Last of all: sockets of watches that were cut end in the turns of the loop after they were told to.
        stack.push_async_callback(asyncio.sleep, CLOSING_SECONDS)
        pools = [Api(cluster, size, agent) for size, agent in ((32 + STREAMS, "commonweal-operator"), (16, "commonweal-operator-urgent"))]
        for pool in pools:
            stack.push_async_callback(pool.close)
        await _served(pools[0])
        given = await _with_issuer(pools[0], platform)
        platform = await with_public(pools[0], given, datetime.now(UTC))
        engine = build(pools[0], pools[1], platform, options)
        watch, acting = LoopWatch(), asyncio.Event()
        probes = Probes(lambda: watch.healthy, lambda: engine.ready.is_set() or not acting.is_set(), lambda: _metrics(engine, watch))
        host, _, port = options.probes.rpartition(":")
        background: list[Coroutine[Any, Any, None]] = [watch.run(), probes.serve(host, int(port))]
        background.append(_public_changes(pools[0], given, platform))
        await _until_first(*background, _act(options, platform, engine, cluster, acting))


def build(bulk: Api, urgent: Api, platform: PlatformConfig, options: argparse.Namespace) -> Engine[Input]:
    """Return the engine with the rules of our kinds."""
    objects = ObjectCache(key_of, read)
    keys = DepartmentKeys(platform)
    view = ClusterView(objects, platform, keys)
    engine: Engine[Input] = Engine(bulk, urgent, objects, KindRules(view), keys, workers=options.workers, resync_seconds=options.resync)
    view.attach(engine.children)
    return engine


async def _act(
    options: argparse.Namespace, platform: PlatformConfig, engine: Engine[Input], cluster: Cluster, acting: asyncio.Event
) -> None:
    """Watch and reconcile; with --elect only from taking the lease until losing it."""
    if not options.elect:
        acting.set()
        await _until_first(*_parts(engine, cluster, platform))
        return
    identity = f"{os.environ.get('HOSTNAME', 'operator')}_{secrets.token_hex(4)}"
    lease = Lease(engine.urgent, platform.system_namespace, identity)
    await lease.acquire()
    acting.set()
    try:
        await _until_first(*_parts(engine, cluster, platform), lease.keep())
    finally:
        await lease.release()


def _parts(engine: Engine[Input], cluster: Cluster, platform: PlatformConfig) -> list[Coroutine[Any, Any, None]]:
    return [engine.run(), _listen(engine, cluster), IssuerKeeper(platform, partial(_departments, engine)).keep(engine.urgent)]


def _departments(engine: Engine[Input]) -> frozenset[Listed]:
    return frozenset(listed(record) for record in engine.objects if record.key.kind == "Department")


async def _listen(engine: Engine[Input], cluster: Cluster) -> None:
    """Watch our kinds until a signal; kopf handles SIGTERM and SIGINT.

    At its end kopf waits for every task of the loop, and raises what one of ours was refused by the API server at that moment: the engine has told it, and the end
    is none the worse for it.
    """
    with suppress(ApiError, ApiServerUnavailableError):
        await kopf.operator(registry=registry_for(engine, cluster), settings=quiet_settings(), clusterwide=True, standalone=True)


async def _until_first(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all parts until one ends, then end the others; raises what that one raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _served(api: Api) -> None:
    """Return when the API server serves our kinds: kopf looks for them once, at its start."""
    while True:
        try:
            await api.call("GET", f"{collection_of('ModelService')}?limit=1")
        except (ApiError, ApiServerUnavailableError) as error:
            log.warning("waits for the CustomResourceDefinitions of commonweal.dev (kubectl apply -f crds/): %s", error)
            await asyncio.sleep(2.0)
        else:
            return


async def _with_issuer(api: Api, platform: PlatformConfig) -> PlatformConfig:
    """Return the configuration with the issuer of the site's ServiceAccount tokens filled in."""
    if platform.client_issuer:
        return platform
    try:
        issuer = str((await api.call("GET", "/.well-known/openid-configuration"))["issuer"])
    except (ApiError, KeyError) as error:
        log.warning("the API server does not say who issues its tokens (%s); taking %s", error, ISSUER_FALLBACK)
        issuer = ISSUER_FALLBACK
    return platform.model_copy(update={"client_issuer": issuer})


async def with_public(api: Caller, platform: PlatformConfig, now: datetime) -> PlatformConfig:
    """Return the configuration with what is public of the site's two keys: the embedded issuer's, and the authorities to believe.

    Nobody is asked for either, so nobody can answer in their place.
    """
    if platform.person_embedded:
        master = await master_key(api, platform)
        if isinstance(master, Problem):
            log.warning("until then people cannot sign in: %s", master.message)
        else:
            platform = platform.model_copy(update={"person_keys": canonical(issuer_jwks(master)).decode()})
    if platform.issuer_ref.name:
        return platform
    key = await authority_key(api, platform)
    if isinstance(key, Problem):
        log.warning("until then certificates stay as they are, and without one nothing is served: %s", key.message)
        return platform.model_copy(update={"authority": ""})
    told = await there(RESOURCES["ConfigMap"].path(platform.system_namespace, AUTHORITY), api)
    found = standing(Authority(key, SITE_AUTHORITY).certificate, platform.authority, told, now)
    return platform.model_copy(update={"authority": found.believed, "authority_before": found.before, "authority_since": found.since})


async def _public_changes(api: Caller, given: PlatformConfig, platform: PlatformConfig) -> None:
    """Return when other keys or authorities hold than those that this process began with: it ends, and the next one begins with them."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            found = await with_public(api, given, datetime.now(UTC))
        except (ApiError, ApiServerUnavailableError) as error:
            log.warning("the site's keys were not looked at: %s", error)
            continue
        if _public(found) != _public(platform):
            log.info("other keys or authorities hold from now on: the operator starts again with them")
            return


def _public(platform: PlatformConfig) -> tuple[str, str, str]:
    return platform.person_keys, platform.authority, platform.authority_before


def _metrics(engine: Engine[Input], watch: LoopWatch) -> str:
    gauges = {
        "queue_length": len(engine.queue),
        "objects": len(engine.objects),
        "children": len(engine.children),
        "watch_restarts": engine.children.watch_restarts,
        "loop_lag_seconds": watch.worst,
    }
    return exposition(engine.counters, gauges)
