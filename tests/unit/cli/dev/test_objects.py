"""The objects of a stack behave towards the operator as an API server does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from commonweal_cli.dev.objects import Objects
from commonweal_cli.dev.places import Place, applied, merged
from commonweal_kube.exceptions import ApiError

NOW = datetime(2026, 11, 29, tzinfo=UTC)
MAPS = "/api/v1/namespaces/dept-tax/configmaps"


def objects() -> Objects:
    return Objects(lambda new, _: new, lambda: NOW)


def a_map(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more.pop("metadata", {})}, **more}


def applied_map(found: Objects, name: str, **more: Any) -> dict[str, Any]:
    return asyncio.run(found.apply(f"{MAPS}/{name}", orjson.dumps(a_map(name, **more))))["metadata"]


def test_what_is_applied_is_there_with_what_a_server_adds() -> None:
    found = objects()
    meta = applied_map(found, "plan", data={"a": "1"})
    stored = asyncio.run(found.call("GET", f"{MAPS}/plan"))
    assert stored["metadata"] | {"uid": ""} == {
        "name": "plan", "namespace": "dept-tax", "uid": "", "creationTimestamp": "2026-11-29T00:00:00Z", "generation": 1, "resourceVersion": meta["resourceVersion"],
    }  # fmt: skip
    assert stored["data"] == {"a": "1"}


def test_the_same_again_is_no_new_version_and_another_content_is() -> None:
    found = objects()
    first = applied_map(found, "plan", data={"a": "1"})
    assert applied_map(found, "plan", data={"a": "1"}) == first
    assert int(applied_map(found, "plan", data={"a": "2"})["resourceVersion"]) > int(first["resourceVersion"])


def test_what_one_manager_no_longer_names_goes_and_what_others_wrote_stays() -> None:
    found = objects()
    applied_map(found, "plan", data={"mine": "1", "gone": "1"})
    found.apply_as("another", Place("v1", "configmaps", "dept-tax", "plan"), a_map("plan", data={"its": "1"}))
    applied_map(found, "plan", data={"mine": "1"})
    assert asyncio.run(found.call("GET", f"{MAPS}/plan"))["data"] == {"mine": "1", "its": "1"}


@pytest.mark.parametrize("expected", [{"uid": "another"}, {"resourceVersion": "0"}])
def test_a_write_onto_another_object_or_version_is_a_conflict(expected: dict[str, str]) -> None:
    found = objects()
    applied_map(found, "plan")
    with pytest.raises(ApiError) as refusal:
        found.patch(Place("v1", "configmaps", "dept-tax", "plan"), {"metadata": expected, "data": {"a": "1"}})
    assert (refusal.value.status, refusal.value.reason) == (409, "Conflict")


def test_a_made_object_is_not_made_twice_and_a_missing_one_is_not_found() -> None:
    found = objects()
    asyncio.run(found.call("POST", MAPS, orjson.dumps(a_map("plan"))))
    with pytest.raises(ApiError) as twice:
        asyncio.run(found.call("POST", MAPS, orjson.dumps(a_map("plan"))))
    assert twice.value.status == 409
    with pytest.raises(ApiError) as missing:
        asyncio.run(found.call("GET", f"{MAPS}/other"))
    assert missing.value.status == 404
    assert asyncio.run(found.metadata(f"{MAPS}/other")) is None


def test_status_raises_no_generation_and_another_spec_does() -> None:
    found, place = objects(), Place("apps/v1", "deployments", "dept-tax", "api")
    found.apply_as("one", place, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": {"replicas": 1}})
    found.set_status(place, {"readyReplicas": 1})
    assert (found.get(place) or {})["metadata"]["generation"] == 1
    found.patch(place, {"spec": {"replicas": 2}})
    kept = found.get(place) or {}
    assert (kept["metadata"]["generation"], kept["status"]) == (2, {"readyReplicas": 1})


def test_what_is_owned_goes_with_its_owner_and_a_finalizer_holds() -> None:
    found, place = objects(), Place("v1", "configmaps", "dept-tax", "owner")
    uid = applied_map(found, "owner", metadata={"finalizers": ["held"]})["uid"]
    applied_map(found, "owned", metadata={"ownerReferences": [{"uid": uid, "controller": True}]})
    found.delete(place)
    assert "deletionTimestamp" in (found.get(place) or {})["metadata"]
    found.patch(place, {"metadata": {"finalizers": []}})
    assert found.of("v1", "configmaps") == []


def test_lists_and_watches_tell_what_is_selected_from_the_version_on() -> None:
    async def go() -> None:
        found = objects()
        ours = {"metadata": {"labels": {"of": "us"}}}

        async def put(name: str, **more: Any) -> None:
            await found.apply(f"{MAPS}/{name}", orjson.dumps(a_map(name, **more)))

        await put("one", **ours)
        await put("other")
        (page,) = [page async for page in found.pages("/api/v1/configmaps", "of=us&fieldSelector=metadata.name!=two")]
        assert [item["metadata"]["name"] for item in page["items"]] == ["one"]
        watch = found.watch("/api/v1/configmaps", "of", page["metadata"]["resourceVersion"])
        await put("two", **ours)
        await put("third")
        await put("two", data={"a": "1"}, **ours)
        found.delete(Place("v1", "configmaps", "dept-tax", "one"))
        events = [await anext(watch) for _ in range(3)]
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [("ADDED", "two"), ("MODIFIED", "two"), ("DELETED", "one")]
        versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
        assert versions == sorted(set(versions))
        await watch.aclose()  # type: ignore[attr-defined]

    asyncio.run(go())


def test_what_is_dumped_goes_on_elsewhere_with_what_each_manager_wrote() -> None:
    found, again = objects(), objects()
    applied_map(found, "plan", data={"a": "1", "b": "1"})
    again.load(orjson.loads(orjson.dumps(found.dump())))
    applied_map(again, "plan", data={"a": "1"})
    assert again.of("v1", "configmaps")[0]["data"] == {"a": "1"}
    assert again.of("v1", "configmaps")[0]["metadata"]["uid"] == found.of("v1", "configmaps")[0]["metadata"]["uid"]


def test_merging_and_applying_are_as_kubernetes_has_them() -> None:
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}}) == {"a": {"c": 2, "d": 3}}
    assert applied({"a": 1, "b": 1}, {"a": 2}, {"a": 1, "b": 1, "c": 1}) == {"a": 2, "c": 1}
    assert applied({}, {"l": [1]}, {"l": [2, 3]}) == {"l": [1]}
