"""The exchange on a real API server, with no more rights than the operator's Roles give keeper and model runtime."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from commonweal_api.closings import CLOSINGS_KEY, STORE_CLOSINGS
from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT, PLAN_KEY, REPORT_KEY
from commonweal_kube.client import Api
from commonweal_kube.cluster import Cluster, Token
from commonweal_runtime.plan_exchange import KubernetesExchange, open_exchange
from support.control_plane import ControlPlane, User
from support.kube_api import KubeApi
from support.waiting import HANG

NAMESPACE, SECRETS = "dept-tax-platform", "dept-tax"
ROLE: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [MODEL_PLAN, STORE_CLOSINGS], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [MODEL_REPORT], "verbs": ["get", "patch"]},
]
READ = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["login", "not-made"], "verbs": ["get"]}]


def configmap(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("exchange"), users={"models": User("models")}) as plane:
        rbac = "rbac.authorization.k8s.io"
        subjects = [{"kind": "User", "name": "models", "apiGroup": rbac}]
        reference = {"kind": "Role", "name": "models", "apiGroup": rbac}
        for space, rules in ((NAMESPACE, ROLE), (SECRETS, READ)):
            metadata = {"name": "models", "namespace": space}
            plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
            plane.apply({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
            plane.apply(
                {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": metadata, "subjects": subjects, "roleRef": reference}
            )
        account = plane.home / "account"
        account.mkdir()
        (account / "token").write_text(plane.token("models"))
        (account / "ca.crt").write_text(plane.authority.read_text())
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> KubeApi:
    return plane.api()


@asynccontextmanager
async def exchange(plane: ControlPlane, **more: Any) -> AsyncIterator[KubernetesExchange]:
    api = client(plane, plane.url)
    try:
        yield KubernetesExchange(api, NAMESPACE, MODEL_PLAN, MODEL_REPORT, secrets=SECRETS, **more)
    finally:
        await api.close()


def client(plane: ControlPlane, url: str) -> Api:
    account = plane.home / "account"
    return Api(Cluster(url, ssl.create_default_context(cafile=account / "ca.crt"), Token(path=account / "token")), 4, "test")


def test_a_plan_is_heard_when_it_comes_and_when_it_changes_and_only_then(plane: ControlPlane, api: KubeApi) -> None:
    async def follow() -> list[str]:
        async with asyncio.timeout(HANG), exchange(plane) as d:
            plans, heard = d.plans(), []
            waiting = asyncio.ensure_future(anext(plans))
            for text in ("one", "two"):
                await asyncio.to_thread(api.apply, configmap(MODEL_PLAN, **{PLAN_KEY: text}))
                heard.append(await waiting)
                waiting = asyncio.ensure_future(anext(plans))
            await asyncio.to_thread(api.apply, configmap(MODEL_PLAN, **{PLAN_KEY: "two", "other": "x"}))  # not the plan
            await asyncio.to_thread(api.apply, configmap(MODEL_PLAN, **{PLAN_KEY: "three"}))
            heard.append(await waiting)
            return heard

    assert asyncio.run(follow()) == ["one", "two", "three"]


def test_a_plan_that_was_there_before_is_heard_first(plane: ControlPlane, api: KubeApi) -> None:
    api.apply(configmap(MODEL_PLAN, **{PLAN_KEY: "already there"}))

    async def first() -> str:
        async with asyncio.timeout(HANG), exchange(plane) as d:
            return await anext(d.plans())

    assert asyncio.run(first()) == "already there"


def test_closings_are_heard_and_so_is_that_there_are_none(plane: ControlPlane, api: KubeApi) -> None:
    """Missing, made, changed, deleted: who takes the list away has closed everything, not kept it as it was."""

    async def follow() -> list[str]:
        async with asyncio.timeout(HANG), exchange(plane) as d:
            closings, heard = d.closings(), []
            heard.append(await anext(closings))
            for text in ("one", "two"):
                waiting = asyncio.ensure_future(anext(closings))
                await asyncio.to_thread(api.apply, configmap(STORE_CLOSINGS, **{CLOSINGS_KEY: text}))
                heard.append(await waiting)
            waiting = asyncio.ensure_future(anext(closings))
            path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{STORE_CLOSINGS}"
            await asyncio.to_thread(api.request, "DELETE", path)
            return [*heard, await waiting]

    assert asyncio.run(follow()) == ["", "one", "two", ""]


def test_a_report_is_written_once_and_read_by_whoever_looks(plane: ControlPlane, api: KubeApi) -> None:
    api.apply(configmap(MODEL_REPORT))

    def stored() -> tuple[str, str]:
        found = api.get(configmap(MODEL_REPORT))
        return found["data"][REPORT_KEY], found["metadata"]["resourceVersion"]

    async def leave(*texts: str) -> None:
        async with asyncio.timeout(HANG), exchange(plane) as d:
            for text in texts:
                await d.report(text)

    asyncio.run(leave("fine", "fine"))
    first = stored()
    assert first[0] == "fine"
    asyncio.run(leave("fine"))  # another process, the same words
    assert stored() == first
    asyncio.run(leave("troubled"))
    assert stored()[0] == "troubled"


def test_a_server_that_is_away_is_waited_for(plane: ControlPlane, api: KubeApi) -> None:
    """The first address answers nobody; after some tries the exchange is pointed at the real one, as when a server comes back."""
    api.apply(configmap(MODEL_REPORT))
    tries: list[float] = []

    async def report() -> None:
        async def pause(seconds: float) -> None:
            tries.append(seconds)
            if len(tries) == 3:
                d._api = real

        async with asyncio.timeout(HANG), exchange(plane, pause=pause) as d:
            real, d._api = d._api, client(plane, "https://127.0.0.1:1")
            away = d._api
            await d.report("back again")
            await away.close()

    asyncio.run(report())
    assert tries == [0.2, 0.5, 1.0]
    assert api.get(configmap(MODEL_REPORT))["data"][REPORT_KEY] == "back again"


def test_a_watch_that_the_server_ends_is_begun_again_without_a_warning(
    plane: ControlPlane, api: KubeApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One second is all that each watch gets here; the plan changes in between two of them."""
    monkeypatch.setattr("commonweal_runtime.plan_exchange.WATCH_SECONDS", 1)
    api.apply(configmap(MODEL_PLAN, **{PLAN_KEY: "before"}))
    ends: list[float] = []

    async def follow() -> list[str]:
        async def pause(seconds: float) -> None:
            ends.append(seconds)
            if len(ends) == 2:
                await asyncio.to_thread(api.apply, configmap(MODEL_PLAN, **{PLAN_KEY: "between"}))

        async with asyncio.timeout(HANG), exchange(plane, pause=pause) as d:
            plans = d.plans()
            return [await anext(plans), await anext(plans)]

    assert asyncio.run(follow()) == ["before", "between"]
    assert ends == [0.2, 0.2]
    assert caplog.messages == []


def test_a_secret_is_read_and_one_that_is_not_there_or_not_granted_is_none(plane: ControlPlane, api: KubeApi) -> None:
    metadata = {"name": "login", "namespace": SECRETS}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"username": "u", "password": "p"}})

    async def read(*names: str) -> list[dict[str, str] | None]:
        async with asyncio.timeout(HANG), exchange(plane) as d:
            return [await d.secret(name) for name in names]

    assert asyncio.run(read("login", "not-made", "not-granted")) == [{"username": "u", "password": "p"}, None, None]


def test_a_directory_does_the_same_outside_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_PLAN_EXCHANGE", str(tmp_path))
    (tmp_path / "secrets" / "login").mkdir(parents=True)
    (tmp_path / "secrets" / "login" / "password").write_text("p\n")

    async def follow() -> list[str]:
        async with asyncio.timeout(HANG), open_exchange(MODEL_PLAN, MODEL_REPORT) as d:
            plans = d.plans()
            (tmp_path / PLAN_KEY).write_text("one")
            heard = [await anext(plans)]
            (tmp_path / PLAN_KEY).write_text("two")
            heard.append(await anext(plans))
            await d.report("done")
            written = (tmp_path / REPORT_KEY).stat().st_ino
            await d.report("done")
            assert (tmp_path / REPORT_KEY).stat().st_ino == written, "an equal report was written again"
            assert await d.secret("login") == {"password": "p"}
            assert await d.secret("none") is None
            return heard

    assert asyncio.run(follow()) == ["one", "two"]
    assert (tmp_path / REPORT_KEY).read_text() == "done"
