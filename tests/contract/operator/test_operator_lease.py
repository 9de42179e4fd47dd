"""Leader election against a real API server: one holds the Lease, versions are the precondition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from commonweal_kube.client import Api
from commonweal_kube.cluster import Cluster
from commonweal_operator.engine.lease import GIVE_UP_SECONDS, LEASE_SECONDS, Lease
from commonweal_operator.exceptions import LeaseLostError
from contract.operator.stage import Operator, install
from support.control_plane import ControlPlane
from support.waiting import wait_for


class Clock:
    """Time moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def play(plane: ControlPlane, scenario: Callable[[Api, Clock], object]) -> None:
    async def run() -> None:
        api = Api(Cluster.from_kubeconfig(plane.kubeconfig("admin")), 4, "test")
        try:
            await scenario(api, Clock())  # type: ignore[misc]
        finally:
            await api.close()

    asyncio.run(run())


def lease(api: Api, clock: Clock, identity: str, name: str) -> Lease:
    return Lease(api, "default", identity, name=name, clock=clock, pause=clock.wait)


def test_the_second_gets_it_only_when_the_first_has_been_silent_for_the_whole_lease(control_plane: ControlPlane) -> None:
    async def scenario(api: Api, clock: Clock) -> None:
        first, second = lease(api, clock, "first", "silent"), lease(api, clock, "second", "silent")
        await first.acquire()
        started = clock.now
        await second.acquire()
        assert clock.now - started >= LEASE_SECONDS
        assert not await first._tried(), "the first must see that it has lost it"

    play(control_plane, scenario)


def test_a_lease_that_is_renewed_is_never_taken(control_plane: ControlPlane) -> None:
    async def scenario(api: Api, clock: Clock) -> None:
        first, second = lease(api, clock, "first", "renewed"), lease(api, clock, "second", "renewed")
        await first.acquire()
        for _ in range(10):
            clock.now += LEASE_SECONDS / 3
            assert await first._tried()
            assert not await second._tried()

    play(control_plane, scenario)


def test_a_lease_given_up_is_free_at_once(control_plane: ControlPlane) -> None:
    async def scenario(api: Api, clock: Clock) -> None:
        first, second = lease(api, clock, "first", "given"), lease(api, clock, "second", "given")
        await first.acquire()
        await first.release()
        before = clock.now
        await second.acquire()
        assert clock.now == before

    play(control_plane, scenario)


def test_a_holder_that_cannot_renew_stops_before_another_may_start(control_plane: ControlPlane) -> None:
    async def scenario(api: Api, clock: Clock) -> None:
        first, thief = lease(api, clock, "first", "stolen"), lease(api, clock, "thief", "stolen")
        await first.acquire()
        stored = await api.call("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/stolen")
        await thief._write(stored, "thief")
        before = clock.now
        with pytest.raises(LeaseLostError):
            await first.keep()
        assert GIVE_UP_SECONDS <= clock.now - before < LEASE_SECONDS

    play(control_plane, scenario)


@pytest.mark.servers
def test_of_two_operators_one_acts_and_the_other_takes_over(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As processes: both are ready, one writes; when it ends the other goes on."""
    home = tmp_path_factory.mktemp("two-operators")
    department = {
        "apiVersion": "commonweal.dev/v1alpha1",
        "kind": "Department",
        "spec": {"displayName": "D", "contact": "mailto:d@d.example"},
    }
    with ControlPlane(home / "plane") as plane:
        install(plane, operator={"replicas": 2})
        operators = [Operator(plane, home / f"{n}.log", "--elect") for n in (1, 2)]
        for operator in operators:
            operator.start()
        plane.apply({**department, "metadata": {"name": "one"}})
        wait_for("the first department", lambda: any(w.endswith("/secrets 201") for w in operators[0].writes()) or None)
        before = operators[0].settled()
        acting = [o for o in operators if "commonweal_operator_children 0\n" not in o.get("/metrics")]
        assert len(acting) == 1
        assert acting[0].stop() == 0
        operators.remove(acting[0])
        plane.apply({**department, "metadata": {"name": "two"}})
        wait_for(
            "the second department", lambda: any("/dept-two-platform/secrets 201" in w for w in operators[0].writes()[before:]) or None
        )
        operators[0].settled()
        assert not [w for w in operators[0].writes()[before:] if "dept-one" in w], "what the first made is not made again"
        assert operators[0].stop() == 0
