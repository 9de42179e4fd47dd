"""The lint and the API server say the same of the same manifest, in the same words."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from http.client import HTTPSConnection
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from commonweal_api.lockin import lint, rules
from contract.lockin.corpus import NAMESPACE, manifests
from support.control_plane import ControlPlane
from support.kube_api import KubeApi, Refused

POLICY = re.compile(r"Validation failed for ValidatingAdmissionPolicy '[^']+' with binding 'shown-commonweal-lock-in[^']*': ")
EXAMPLES = 400
_seen: Counter[str] = Counter()
METADATA = {"name": "made", "namespace": NAMESPACE}
# What the corpus holds too rarely to be sure of.
HOST = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": METADATA,
    "spec": {"type": "ExternalName", "externalName": "db.rds.amazonaws.com"},
}
VOLUMES = [{"name": "v", "hostPath": {"path": "/srv"}}]
NODE = {"apiVersion": "v1", "kind": "Pod", "metadata": METADATA, "spec": {"containers": [{"name": "c", "image": "c"}], "volumes": VOLUMES}}


class Listening(KubeApi):
    """The API server as one user sees it, with what it warns of."""

    def warnings(self, manifest: dict[str, Any]) -> list[str]:
        """Return the policies' warnings to a dry run of creating the manifest; any refusal is an error of the test."""
        path = f"{self.path_of(manifest).rpartition('/')[0]}?dryRun=All"
        connection = HTTPSConnection(self._url.hostname or "", self._url.port, context=self._tls, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(manifest), headers)
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(answer.status, body)
        said = [value for name, value in answer.getheaders() if name.lower() == "warning"]
        texts = [json.loads(value.partition(" - ")[2]) for value in said]
        return [text[match.end() :] for text in texts if (match := POLICY.match(text))]


@pytest.fixture(scope="module")
def editor(plane: ControlPlane) -> Listening:
    return Listening(plane.url, plane.token("editor"), plane.authority)


@example(manifest=HOST)
@example(manifest=NODE)
@given(manifest=manifests)
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_both_find_the_same(manifest: dict[str, Any], editor: Listening) -> None:
    shown = manifest | {"metadata": manifest["metadata"] | {"namespace": "dept-shown"}}
    found = lint([shown], today=datetime.now(UTC).date())
    _seen.update(finding.rule.id for finding in found)
    _seen.update(["(nothing)"] if not found else [])
    assert sorted(editor.warnings(shown)) == sorted(finding.sentence() for finding in found)


@pytest.mark.servers  # by the test above, which asks
def test_the_corpus_asked_every_rule() -> None:
    """Also of manifests in which nothing is found; a rule that no manifest breaks has not been compared."""
    assert {rule.id for rule in rules()} - _seen.keys() == set()
    assert _seen["(nothing)"] >= EXAMPLES // 20
