"""A real API server with our chart on it, and the operator running against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contract.operator.stage import API, DEPARTMENTS, Operator, Pods, install, open_business, running_operator
from support.control_plane import ControlPlane, User
from support.waiting import wait_for


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with garbage collection, our kinds, and everything of the chart: access rules and admission policies too."""
    home = tmp_path_factory.mktemp("operator-plane")
    with ControlPlane(
        home, controllers=("garbage-collector-controller", "namespace-controller"), users={"signer": User("signer")}
    ) as started:
        install(started)
        yield started


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The operator, running; a test that stops it starts it again."""
    with running_operator(plane, tmp_path_factory.mktemp("operator")) as process:
        yield process


@pytest.fixture(scope="module")
def pods(plane: ControlPlane) -> Pods:
    return Pods(plane)


@pytest.fixture(scope="module")
def condition(plane: ControlPlane) -> Callable[..., dict[str, Any]]:
    """Wait until an object's condition of that type has that reason, and return the condition."""

    def wait(plural: str, name: str, reason: str, *, namespace: str = "", type_: str = "Ready") -> dict[str, Any]:
        space = f"/namespaces/{namespace}" if namespace else ""
        seen: list[Any] = []

        def attempt() -> dict[str, Any] | None:
            status = plane.api().request("GET", f"{API}{space}/{plural}/{name}").get("status") or {}
            seen[:] = [(c["type"], c["reason"], c["message"]) for c in status.get("conditions") or ()]
            return next((c for c in status.get("conditions") or () if c["type"] == type_ and c["reason"] == reason), None)

        try:
            return wait_for(f"{type_} of {plural} {name} to be {reason}", attempt)
        except TimeoutError as error:
            raise AssertionError(f"{error}; it says {seen}") from None

    return wait


@pytest.fixture(scope="module")
def business(plane: ControlPlane, operator: Operator, pods: Pods, condition: Callable[..., dict[str, Any]]) -> None:
    """The example of three departments, applied and Ready."""
    open_business(plane, operator, pods)
    for name in DEPARTMENTS:
        condition("departments", name, "AllReady")
    condition("modelservices", "next-step", "AllReady", namespace="dept-tax-authority")
