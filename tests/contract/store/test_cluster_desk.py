"""The keeper's desk against a real API server: the plan watched, the report patched, Secrets read, with the rights that the operator gives it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from commonweal_api.plan import PLAN_KEY, REPORT_KEY, STORE_PLAN, STORE_REPORT, StorePlan, StoreReport
from commonweal_runtime.store.cluster import ClusterDesk
from commonweal_runtime.store.desk import CredentialsMissingError
from support.control_plane import ControlPlane

NAMESPACE = "dept-desk"


@pytest.fixture(scope="module")
def desk(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> ClusterDesk:
    """A desk as a pod has it: a directory with a token and the authority's certificate."""
    account = tmp_path_factory.mktemp("account")
    (account / "token").write_text(control_plane.token("admin"))
    (account / "ca.crt").write_bytes(Path(control_plane.authority).read_bytes())
    for manifest in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        config(STORE_REPORT, None),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "login", "namespace": NAMESPACE},
            "stringData": {"username": "u", "password": "p"},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "half", "namespace": NAMESPACE}, "stringData": {"username": "u"}},
    ):
        control_plane.apply(manifest)
    return ClusterDesk(NAMESPACE, control_plane.url, account)


def config(name: str, data: dict[str, str] | None) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}} | ({"data": data} if data else {})


def plan(title: str) -> StorePlan:
    return StorePlan(department="desk", display_name=title, contact="mailto:a@b.example")


def test_plans_come_as_they_change_and_an_unreadable_one_is_passed_over(desk: ClusterDesk, control_plane: ControlPlane) -> None:
    def put(text: str) -> None:
        control_plane.apply(config(STORE_PLAN, {PLAN_KEY: text}))

    async def script() -> list[str]:
        put(plan("one").model_dump_json(by_alias=True))
        seen = []
        async with asyncio.timeout(30):
            async for found in desk.plans():
                seen.append(found.display_name)
                if len(seen) == 2:
                    return seen
                await asyncio.to_thread(put, '{"department": 5}')
                await asyncio.to_thread(put, plan("two").model_dump_json(by_alias=True))
        return seen

    assert asyncio.run(script()) == ["one", "two"]


def test_a_report_is_written_once_and_again_only_when_it_differs(desk: ClusterDesk, control_plane: ControlPlane) -> None:
    def version() -> str:
        return str(
            control_plane.api().request("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{STORE_REPORT}")["metadata"]["resourceVersion"]
        )

    async def report(text: str) -> None:
        await desk.report(StoreReport(plan=text))

    asyncio.run(report("a"))
    first = version()
    asyncio.run(report("a"))
    assert version() == first
    asyncio.run(report("b"))
    assert version() != first
    found = control_plane.api().request("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps/{STORE_REPORT}")
    assert StoreReport.model_validate_json(found["data"][REPORT_KEY]).plan == "b"


def test_credentials_are_read_and_what_is_missing_is_named(desk: ClusterDesk) -> None:
    login = asyncio.run(desk.credentials("login"))
    assert (login.username, login.password) == ("u", "p")
    assert "password" not in repr(login)
    for secret, named in (("none", "none"), ("half", "password")):
        with pytest.raises(CredentialsMissingError, match=named):
            asyncio.run(desk.credentials(secret))
