"""A local site on a real API server runs with what the blueprint says, and a revision that says otherwise rolls through its programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from commonweal_kube.exceptions import ApiError
from commonweal_kube.protocol import MERGE
from commonweal_local import sites
from commonweal_local.progress import Silent
from commonweal_local.sites import encryption, host, init, pki, places, processes, rolling_update
from commonweal_local.sites.api import Api
from commonweal_local.sites.etcd import Etcd
from commonweal_local.sites.site import Mode, Site
from commonweal_local.sites.supervisor import Supervisor
from commonweal_local.waiting import until
from commonweal_stacks import blueprint as blueprints
from commonweal_stacks.api import Api as Asked
from commonweal_stacks.blueprint import current, revisions
from commonweal_stacks.conformity.probes import scratch, server, settings
from commonweal_stacks.conformity.probes.verdicts import HOLDS
from commonweal_stacks.manifests import NAMESPACE
from support.supervising import component, supervised
from support.waiting import HANG

WORD = "a-word-that-nobody-may-read"
OTHER = replace(
    revisions.REVISIONS["r1"],
    revision="r9",
    audit_days=7,
    admission=("NodeRestriction", "AlwaysPullImages"),
    pod_security="restricted",
    encrypted=("secrets", "serviceaccounts"),
    kubelet=replace(current().kubelet, max_pods=50),
)


def pod(**security: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "localhost/none", "imagePullPolicy": "Never", "securityContext": security}
    return {"metadata": {"name": "p"}, "spec": {"containers": [container]}}


def refusal(api: Api, space: str, body: dict[str, Any]) -> str:
    """Why the server does not take a pod; nothing when it would. Asked again until the namespace has its account."""
    said: list[str] = []

    def answered() -> bool:
        try:
            api.call("POST", f"/api/v1/namespaces/{space}/pods?dryRun=All", body)
            said.append("")
        except ApiError as error:
            said.append(error.message)
        return "serviceaccount" not in said[-1]

    until(f"namespace {space} to have its account", HANG, answered)
    return said[-1]


def namespace(api: Api, name: str, **labels: str) -> str:
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    return name


def test_an_audit_log_is_written_by_the_policy_and_holds_nothing_of_what_is_in_a_secret(site: Site) -> None:
    api = Api(site)
    secrets = "/api/v1/namespaces/default/secrets"
    api.call("POST", secrets, {"metadata": {"name": "told"}, "stringData": {"word": WORD}})
    api.call("PATCH", f"{secrets}/told", {"stringData": {"word": f"{WORD}-again"}}, content=MERGE)
    api.call("GET", f"{secrets}/told")
    api.call("DELETE", f"{secrets}/told")
    api.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "told"}, "data": {"word": WORD}})
    api.call("GET", "/api/v1/namespaces/default/configmaps/told")
    api.call("DELETE", "/api/v1/namespaces/default/configmaps/told")

    log = (site.logs / "audit.log").read_text()
    entries = [json.loads(line) for line in log.splitlines()]
    verbs = {
        kind: [each["verb"] for each in entries if each["objectRef"].get("name") == "told" and each["objectRef"].get("resource") == kind]
        for kind in ("secrets", "configmaps")
    }
    assert verbs == {"secrets": ["create", "patch", "get", "delete"], "configmaps": ["create", "delete"]}
    assert {each["level"] for each in entries} == {"Metadata"}
    assert not [each for each in entries if "requestObject" in each or "responseObject" in each]
    assert WORD not in log


def test_a_namespace_without_labels_admits_no_privileged_pod_and_one_that_says_so_does(site: Site) -> None:
    api = Api(site)
    assert 'violates PodSecurity "baseline:latest": privileged' in refusal(api, namespace(api, "unlabelled"), pod(privileged=True))
    assert refusal(api, "unlabelled", pod()) == ""
    labelled = namespace(api, "labelled", **{"pod-security.kubernetes.io/enforce": "privileged"})
    assert refusal(api, labelled, pod(privileged=True)) == ""
    for name in ("unlabelled", "labelled"):
        api.call("DELETE", f"/api/v1/namespaces/{name}")


def test_conformity_finds_the_blueprints_settings_in_what_the_site_does(site: Site) -> None:
    api, asked = Api(site), Asked(site.kubeconfig.read_text(), site=site.name)
    namespace(api, NAMESPACE)
    try:
        found = settings.verdicts(asked, current(), []) | {"secrets-at-rest": server.PROBES["secrets-at-rest"](asked)}
    finally:
        scratch.sweep(asked, lambda _: None)
        api.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}")
    assert {name: verdict.leaf for name, verdict in found.items()} == {
        "settings.audit": HOLDS,
        "settings.external-ips": HOLDS,
        "settings.kubelet": "not probed: no node has a kubelet",
        "settings.pod-security": HOLDS,
        "secrets-at-rest": HOLDS,
    }


# What a release wrote that knew neither of the blueprint nor of its networks.
BEFORE = {
    "name": "lifeold",
    "mode": "control-plane",
    "programs": {},
    "images": [],
    "proxy": "nftables",
    "cni": "/usr/lib/cni",
    "fake_nodes": 1,
}


def test_a_site_of_an_older_release_starts_with_its_networks_its_data_and_the_settings_it_lacked(site: Site) -> None:
    with places.locked():
        index = places.place_for(site.root, "lifeold", site.mode, None)
    file = site.root / "lifeold" / "site.json"
    file.parent.mkdir()
    old = json.dumps({**BEFORE, "index": index, "kubernetes": "", "cluster": "", "memory_gib": 0, "revision": 0})
    file.write_text(old)
    (made,) = sites.up(["lifeold"], mode=site.mode, progress=Silent())
    assert (made.network.pods, made.settings) == (f"10.{220 + index}.0.0/16", current())
    Api(made).call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "from-before"}})

    sites.down(["lifeold"], keep=True)
    file.write_text(old)
    for name in ("audit.yaml", "admission.yaml"):
        (made.etc / name).unlink()
    (again,) = sites.up(["lifeold"], mode=site.mode, progress=Silent())
    api = Api(again)
    assert api.call("GET", "/api/v1/namespaces/default/configmaps/from-before")["metadata"]["name"] == "from-before"
    assert api.call("GET", "/api/v1/namespaces/default/services/kubernetes")["spec"]["clusterIP"] == f"10.{230 + index}.0.1"
    assert "violates PodSecurity" in refusal(api, "default", pod(privileged=True))
    assert sites.down(["lifeold"]) == []


@dataclass(frozen=True)
class Here:
    """A site whose first process is a thread of the test, so that it knows of a revision that only the test has."""

    site: Site
    supervisor: Supervisor

    def bring_to(self, **changes: Any) -> Site:
        """What the first process does when it is told that its file is another."""
        site = replace(self.site, revision=self.site.revision + 1, **changes)
        rolling_update.bring_to(site, self.supervisor, self.site.revision)
        return site


@contextmanager
def running(root: Path, programs: dict[str, str]) -> Iterator[Here]:
    with places.locked():
        index = places.place_for(root, "lifeb", Mode.CONTROL_PLANE, None)
        made = Site("lifeb", index, Mode.CONTROL_PLANE, root, programs, blueprint="r1", networks=asdict(current().network))
        made.save()
        places.claim(made)
    pki.make(made)
    init.settings.write_files(made)
    try:
        with supervised(made.directory) as supervisor:
            init.set_up(made, supervisor)
            assert (host.recorded(made)["error"], "ready" in host.recorded(made)["marks"]) == ("", True)
            yield Here(made, supervisor)
    finally:
        places.release(root, made.name)


def accounts(api: Api) -> set[str]:
    return {item["metadata"]["name"] for item in api.call("GET", "/api/v1/namespaces/default/serviceaccounts")["items"]}


def words_of(site: Site, program: str) -> list[str]:
    """The command line of a program as it runs."""
    pid = component(site.directory, program)["pid"]
    assert processes.alive(pid)
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().strip("\0").split("\0")


def stored(site: Site, kind: str, name: str) -> bytes:
    return dict(Etcd(site, inside=True).values(f"/registry/{kind}/default/{name}"))[f"/registry/{kind}/default/{name}"]


def test_a_revision_that_says_otherwise_rolls_through_the_programs_that_it_concerns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "REVISIONS", {**revisions.REVISIONS, OTHER.revision: OTHER})
    assert blueprints.revision("r9") is OTHER
    with running(tmp_path, sites.programs(Mode.CONTROL_PLANE, progress=Silent())) as here:
        before = here.site
        api = Api(before)
        until("the controllers to work", HANG, lambda: "default" in accounts(api))  # one that is starting ends with its server
        for kind in ("secrets", "configmaps", "serviceaccounts"):
            api.call("POST", f"/api/v1/namespaces/default/{kind}", {"metadata": {"name": "kept"}})
        assert [stored(before, kind, "kept").startswith(b"k8s:enc:secretbox:") for kind in ("secrets", "configmaps")] == [True, True]
        assert not stored(before, "serviceaccounts", "kept").startswith(b"k8s:enc:")
        plugins = ",".join(revisions.REVISIONS["r1"].admission)
        assert {"--audit-log-maxage=30", f"--enable-admission-plugins={plugins}"} <= set(words_of(before, "kube-apiserver"))
        pids = {name: component(before.directory, name)["pid"] for name in ("etcd", "kube-controller-manager", "kube-scheduler", "kwok")}

        after = here.bring_to(blueprint="r9")

        assert host.recorded(after)["change"] == {"revision": 1, "step": "", "error": ""}
        flags = words_of(after, "kube-apiserver")
        assert {"--audit-log-maxage=7", "--enable-admission-plugins=NodeRestriction,AlwaysPullImages"} <= set(flags)
        assert 'violates PodSecurity "restricted:latest"' in refusal(api, namespace(api, "strict"), pod())
        assert [stored(after, kind, "kept").startswith(b"k8s:enc:secretbox:") for kind in ("secrets", "serviceaccounts")] == [True, True]
        assert not stored(after, "configmaps", "kept").startswith(b"k8s:enc:")
        assert encryption.is_settled(after.pki)
        (node, *_) = api.call("GET", "/api/v1/nodes")["items"]
        assert node["status"]["capacity"]["pods"] == "50"
        assert {name: component(after.directory, name)["pid"] for name in pids} == pids, "they have the same settings in both"
        assert not [name for name in (*pids, "kube-apiserver") if component(after.directory, name)["restarts"]]
