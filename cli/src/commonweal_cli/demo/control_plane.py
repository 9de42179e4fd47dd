"""The demonstration without root: real control planes, the real operator, simulated nodes and pods; and a plain word on what then is not real."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from commonweal_cli.demo import bring_up, cleanup
from commonweal_cli.demo.bring_up import KINDS, READY_SECONDS
from commonweal_cli.demo.operator_process import operator
from commonweal_cli.demo.record import Record
from commonweal_cli.demo.report import Row, changes, table
from commonweal_cli.demo.stages import Stages
from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.main import main as commonweal
from commonweal_cli.site import operations
from commonweal_local import paths, sites
from commonweal_local.exceptions import LocalError
from commonweal_local.progress import Progress
from commonweal_local.sites import checks
from commonweal_stacks.site import IMAGE_NAMES, IMAGES_KEY, SITE_KEY, stack_file

NOT_REAL = """\
What was not shown, because pods were simulated:
  - pods are simulated: no container ran, so there is no store, no data API, no model runtime and no issuer of people's tokens;
    where a Deployment says that its pods are ready, that is the simulation's word
  - departments therefore wait for their store, truthfully, and there is no journey: no consent, no read, no decision
  - network policies and quotas for memory are admitted and stored, but not enforced on traffic or processes
  - there are no load balancer addresses (Services are of type ClusterIP here) and no volumes
  - the heritage machine, which needs a network of its own, is absent
  - the operator was a process of this machine for as long as the demonstration ran, with its account on each site; it is ended now
As root all of it is real: sudo make demo"""


def project(names: Sequence[str]) -> Path:
    """Return a copy of the stack's project for sites without load balancers; the committed one is not written to."""
    committed, copy = paths.source() / "stacks" / "site", paths.home() / "control-plane"
    images = paths.write(copy / "images.json", {name: f"localhost/commonweal/{name}:simulated" for name in IMAGE_NAMES})
    for name in ("Pulumi.yaml", "__main__.py"):
        paths.write(copy / name, (committed / name).read_text(encoding="utf-8"))
    for name in names:
        file = committed / stack_file(name)
        if not file.is_file():
            raise LocalError(f"There is no site {name!r}: {file} is not there", "Write the file; that of another site shows how.")
        paths.write(copy / stack_file(name), yaml.safe_dump(adapted(yaml.safe_load(file.read_text(encoding="utf-8")), images)))
    return copy


def adapted(stack: Mapping[str, Any], images: Path) -> dict[str, Any]:
    """Return a stack file's content for a site without pods: it has no load balancers, and images of its own."""
    config = stack["config"]
    site = {**config[SITE_KEY], "expose": "ClusterIP", "local": {"mode": "ControlPlane"}}
    return {**stack, "config": {**config, SITE_KEY: site, IMAGES_KEY: str(images)}}


def demonstrate(names: Sequence[str], progress: Progress) -> tuple[Record, str]:
    """Show what can be shown without root; return the record of it and the text for a person."""
    started, stages = time.monotonic(), Stages()
    cleanup.sign()
    bring_up.mend(progress)
    checks.before_any(paths.sites(), sites.Mode.CONTROL_PLANE)
    stacks = project(names)
    with stages.measured("tools"):
        tools = bring_up.tools_for(sites.Mode.CONTROL_PLANE, progress)
    with progress.step("the management cluster, with Cluster API on it"):
        bring_up.management_cluster(names, stages, stacks)
    bring_up.take_over(names)
    with stages.measured("pulumi up"):
        bring_up.pulumi_up(names, progress, stacks, stages=stages)
    clusters = [Kubectl(tools["kubectl"].path, sites.find(name).kubeconfig, name) for name in names]
    with stages.measured("departments and all they publish"):
        rows = {cluster.name: _site(cluster, progress) for cluster in clusters}
    with stages.measured("second pulumi up"):
        for name, outcome in bring_up.pulumi_up(names, progress, stacks).items():
            rows[name].append(unchanged(outcome))
    alike = len(names) < 2 or _alike(names[:2], stacks)
    good = all(row.ok for each in rows.values() for row in each)
    memory = {status.name: status.memory_mib for status in sites.status()}
    record = Record(
        "control-plane", good and alike, time.monotonic() - started, stages.seconds, memory, alike, rows, stages.spans, stages.since
    )
    shown = [f"\nOn site {name}:\n\n{table(each)}" for name, each in rows.items()]
    commands = [f"  kubectl --kubeconfig {cluster.kubeconfig} get commonweal -A" for cluster in clusters]
    return record, "\n".join([*shown, "", NOT_REAL, "", "Look:", *commands, "Stop: make down"])


def unchanged(outcome: operations.Outcome) -> Row:
    """Return the row of a second `pulumi up`, which must find everything as it should be."""
    changed = changes(outcome)
    return Row("a second pulumi up", "0 changes", f"{changed} changes", ok=changed == 0, milliseconds=outcome.seconds * 1e3)


def _alike(names: Sequence[str], stacks: Path) -> bool:
    print("\nAre the sites alike?")
    return commonweal(["conform", *names, "--stacks", str(stacks)]) == 0


def _site(cluster: Kubectl, progress: Progress) -> list[Row]:
    """Apply the example on one site, with the operator beside it; return what happened."""
    first, *rest = sorted(bring_up.example().glob("*.yaml"))
    with ExitStack() as stack:
        stack.enter_context(operator(cluster, paths.home() / "control-plane" / cluster.name))
        step = stack.enter_context(progress.step(f"departments on {cluster.name}"))
        cluster.apply(first)
        cluster.wait_for(KINDS[:1], "NamespaceReady", READY_SECONDS, step.update)
        cluster.apply(*rest)
        bring_up.sign(cluster, step.update)
        _wait_for_statuses(cluster)
        return [*_made(cluster), *_refused(cluster)]


def _wait_for_statuses(cluster: Kubectl) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while waiting := [item["metadata"]["name"] for plural in KINDS for item in cluster.items(plural) if not reported(item)]:
        if time.monotonic() > deadline:
            raise KubectlError(
                f"{cluster.name}: no status after {READY_SECONDS:.0f} s for {', '.join(waiting)}", "Read the operator's log, operator.log."
            )
        time.sleep(0.3)


def reported(item: Mapping[str, Any]) -> bool:
    """Whether an object's conditions speak of what it says now."""
    conditions = item.get("status", {}).get("conditions", [])
    return bool(conditions) and all(c.get("observedGeneration") == item["metadata"]["generation"] for c in conditions)


def _made(cluster: Kubectl) -> Iterator[Row]:
    """What the operator made of the departments, and whether what it says of them is true."""
    departments = cluster.items("departments")
    label = "-l", "app.kubernetes.io/managed-by=commonweal,commonweal.dev/department"
    kinds = "resourcequotas,limitranges,networkpolicies,serviceaccounts,roles,services,statefulsets,deployments,configmaps"
    made = json.loads(cluster.run("get", kinds, "-A", *label, "-o", "json"))["items"]
    spaces = {item["metadata"]["namespace"] for item in made}
    ok = len(departments) > 0 and len(spaces) == 2 * len(departments)
    yield Row("the operator makes what departments need", "objects in each namespace", f"{len(made)} in {len(spaces)} namespaces", ok)
    for item in departments:
        found = next(c for c in item["status"]["conditions"] if c["type"] == "StoreReady")
        ok = found["status"] != "True" and found["reason"] == "StoreStarting"
        got = f"{found['status']}: {found['reason']}"
        yield Row(f"{item['metadata']['name']} says of its store", "not ready: StoreStarting", got, ok)


def _refused(cluster: Kubectl) -> Iterator[Row]:
    """Manifests that the API server must refuse, each with words that help; nothing of them is stored."""
    for step, words, manifest, said in REFUSED:
        started = time.monotonic()
        try:
            cluster.run(*words, "--dry-run=server", stdin=json.dumps(manifest) if manifest else None)
            got, ok = "accepted", False
        except KubectlError as error:
            ok = said in error.what
            got = f"refused: {said}" if ok else error.what.rpartition("refused: ")[2]
        yield Row(step, f"refused: {said}", got, ok, (time.monotonic() - started) * 1e3)


def _ours(kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "commonweal.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


REGISTRY = "dept-companies-registry"
APPLY = ("apply", "-f", "-")
AGREEMENT = {
    "product": {"name": "companies"},
    "consumer": {"department": "tax-authority", "clients": ["tax-app"]},
    "purposes": [{"key": "tax-authority/try", "iri": "dpv:ServiceProvision", "text": "An agreement that the API server is to refuse."}],
    "fields": ["companyName"],
    "basis": {"type": "PublicTask"},
    "subjects": {"objection": "Honoured"},
    "validity": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
}
PRODUCT = {
    "title": "Another department's data",
    "version": "1.0.0",
    "class": "Business",
    "source": {
        "postgres": {
            "host": "store.dept-tax-authority-platform.svc.cluster.local",
            "database": "department",
            "table": "registrations",
            "credentials": {"name": "registry-database"},
        }
    },
    "subject": {"column": "director_ref"},
    "fields": [{"name": "companyName", "column": "company_name", "type": "String", "semantic": "business:legalName"}],
}
CHANGED = {**AGREEMENT, "basis": {"type": "Consent"}, "subjects": {"objection": "Honoured", "consentValidityDays": 30}}
# What is tried, the kubectl words, the manifest, and what the refusal must say.
REFUSED: tuple[tuple[str, tuple[str, ...], dict[str, Any] | None, str], ...] = (
    ("an agreement that names no law", APPLY, _ours("ConsentPolicy", "no-law", REGISTRY, AGREEMENT), "spec.basis.legalPower"),
    (
        "another basis for an agreement in force",
        APPLY,
        _ours("ConsentPolicy", "tax-registers-business", REGISTRY, CHANGED),
        "spec.basis.type: cannot be changed",
    ),
    ("a product made of another's store", APPLY, _ours("DataProduct", "borrowed", REGISTRY, PRODUCT), "spec.source.postgres.host"),
    ("deleting a department just like that", ("delete", "department", "tax-authority"), None, "deleting this Department deletes its data"),
)
