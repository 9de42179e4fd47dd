"""An address for every Service of type LoadBalancer; kube-proxy does the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from commonweal_kube.protocol import MERGE
from commonweal_local.exceptions import CommandFailedError
from commonweal_local.shell import run
from commonweal_local.sites.api import Api, Unreachable
from commonweal_local.sites.site import Site
from commonweal_local.waiting import within

Service = Mapping[str, Any]
UPLINK = "eth0"
RETRY_SECONDS = 2.0


def wants_address(service: Service) -> bool:
    """Whether this balancer serves it: the type is LoadBalancer, no other class is named, and it is not going away."""
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass") and not service["metadata"].get("deletionTimestamp")


def assign(pool: Iterable[str], services: Iterable[Service]) -> dict[str, Service]:
    """Address -> service. A service keeps the address it has; the others get free ones, in order, while there are any."""
    free = list(pool)
    assigned: dict[str, Service] = {}
    waiting: list[Service] = []
    for service in filter(wants_address, services):
        address = current_address(service)
        if address in free:
            free.remove(address)
            assigned[address] = service
        else:
            waiting.append(service)
    assigned.update(zip(free, waiting, strict=False))
    return assigned


def current_address(service: Service) -> str:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return str(ingress[0].get("ip", ""))


class Balancer:
    """Keeps the addresses of one site's uplink equal to what its Services want. Runs in the site's first process."""

    def __init__(self, site: Site, api: Api) -> None:
        self._site = site
        self._api = api

    def run(self) -> None:
        """Never returns; a site that does not answer is asked again."""
        while True:
            try:
                self._follow()
            except (*Unreachable, CommandFailedError, KeyError) as error:
                print(f"load balancers: {error}", flush=True)
                within(RETRY_SECONDS, lambda: False, every=RETRY_SECONDS)

    def _follow(self) -> None:
        """List, reconcile, and watch until something changes: such changes are rare, so listing again is simplest."""
        services = self._api.call("GET", "/api/v1/services")
        self.reconcile(services["items"])
        version = services["metadata"]["resourceVersion"]
        path = f"/api/v1/services?watch=1&timeoutSeconds=240&resourceVersion={version}"
        for event in self._api.follow(path, 300):
            changed = event.get("object", {})
            if changed.get("spec", {}).get("type") == "LoadBalancer" or self.addresses():
                return

    def addresses(self) -> set[str]:
        """The addresses of the pool that the uplink has now."""
        words = run("ip", "-o", "-4", "addr", "show", "dev", UPLINK).split()
        return {word.removesuffix("/32") for word in words if word.endswith("/32")} & set(self._site.balancer_pool)

    def reconcile(self, services: Iterable[Service]) -> None:
        wanted = assign(self._site.balancer_pool, services)
        have = self.addresses()
        for address in sorted(have - set(wanted)):
            run("ip", "addr", "del", f"{address}/32", "dev", UPLINK)
        for address in sorted(set(wanted) - have):
            run("ip", "addr", "add", f"{address}/32", "dev", UPLINK)
        for address, service in wanted.items():
            if current_address(service) != address:
                self._publish(service, address)

    def _publish(self, service: Service, address: str) -> None:
        meta = service["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status"
        self._api.call("PATCH", path, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}, content=MERGE)
