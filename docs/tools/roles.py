"""Write docs/reference/roles.md from the roles and policies in the chart and the kinds' schemas; `--check` fails when it drifted."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from commonweal_api.generated import write_or_check

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "charts" / "commonweal" / "templates"
PAGE = ROOT / "docs" / "reference" / "roles.md"
PREFIX = "commonweal-department-"
ROLES = ("viewer", "editor", "steward", "registrar")
SAID = "kubernetes.io/description"
SHORT = (("read", ("get", "list", "watch")), ("write", ("create", "update", "patch", "delete")))
ASKED = re.compile(r"resource\((?P<kind>[^()]+)\).*?check\('(?P<verb>[a-z]+)'\)")
OWN = ("consent", "register")  # verbs that no request has: only policies ask for them
HEAD = """\
# Roles in a department

<!-- Made by `python docs/tools/roles.py` from the chart (`templates/access`, `templates/admission`) and the kinds' schemas; change those, not this page. -->

Four ClusterRoles come with the chart, and hold in the department's own namespace `dept-<name>`; they stand by themselves and add up. The platform team binds viewers, editors and registrars by a RoleBinding there,
and names stewards in `spec.stewards` of the Department, for which the operator makes the binding and lets them read the signing key. Do not bind Kubernetes' `view`, `edit` or `admin` there:
they know nothing of our kinds, and `edit` gives shells, Secrets and the tokens of every account.

"""
BIND = """\
```yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editors, namespace: dept-tax-authority}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: commonweal-department-editor}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: tax-authority-editors}]
```

"""
TAIL = """
## Why it is so

- *Secrets are written and not read.* An editor puts the logins of the department's sources in place with `kubectl create` and `kubectl replace`; `kubectl apply` asks for what was there, and is refused. `patch` and
  `deletecollection` would answer with the content. This keeps logins out of terminals and reviews, and is no wall: a pod that an editor runs can mount any Secret of its namespace. What must not be read by an editor
  does not lie there.
- *No shell, port-forward or proxy*, into one's own pods neither: they leave no trace of what was read, a registrar's pod may run beside, and a proxy comes from the API server, past every network policy. Logs are there.
- *No ingresses*: their host names belong to the whole site, the sign-in page's among them. A Service is the department's own.
- *No network policies, quotas, roles and bindings*: they are how a department is kept apart, and the platform team's.
- *Who decides what a source holds* decides what comes out of it. `consent` guards where a product reads, not what the database there answers: run the source where editors do not reach.
- *A draft is free until an agreement names it.* An editor makes a product, deletes it and makes it again; changing one needs `consent` always, for whether somebody signs meanwhile is not for a race to decide.
- *Who writes Departments names the stewards*, and so decides who consents: that right is the platform team's, and no role of a department has it.
- *Name as registrar an account that nothing runs as.* What runs as it already goes on running.

Every cell of the first table is held by `tests/contract/roles` against a table written by hand, with a real token of each role and every verb on every kind that an API server has; the second one by requests.
[What is refused at the door](admission.md) has all policies. Who may exempt from a [lock-in rule](lock-in.md) holds `commonweal-exemptions`.
"""

Document = Mapping[str, Any]


def documents(folder: Path, kind: str) -> dict[str, Document]:
    """Return the objects of a kind in the folder's templates, by name. The generated lock-in policies ask for a verb of their own."""
    files = [file for file in sorted(folder.glob("*.yaml")) if file.stem != "lock-in"]
    every = [found for file in files for found in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
    return {found["metadata"]["name"]: found for found in every if found["kind"] == kind}


def verbs_of(role: Document) -> dict[str, list[str]]:
    """Return the role's verbs by resource, in the order in which the chart has them."""
    found: dict[str, list[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault(f"{resource}.{group}" if group else resource, []).extend(rule["verbs"])
    return found


def cell(verbs: Sequence[str]) -> str:
    """Return verbs in short."""
    words, left = list[str](), list(verbs)
    for word, meant in SHORT:
        if set(meant) <= set(left):
            words, left = [*words, word], [verb for verb in left if verb not in meant]
    return ", ".join([*words, *(f"`{verb}`" for verb in left)])


def matrix(roles: Sequence[Document]) -> Iterator[str]:
    """Yield the table of what each role may do; resources on which all roles may the same share a row."""
    held = [verbs_of(role) for role in roles]
    rows: dict[tuple[str, ...], list[str]] = {}
    for resource in dict.fromkeys(name for verbs in held for name in verbs):
        rows.setdefault(tuple(cell(verbs.get(resource, [])) for verbs in held), []).append(f"`{resource}`")
    yield f"| in `dept-<name>` | {' | '.join(ROLES)} |"
    yield "|---" * (1 + len(ROLES)) + "|"
    yield from (f"| {', '.join(names)} | {' | '.join(cells)} |" for cells, names in rows.items())


def asked(policy: Document) -> list[tuple[str, str]]:
    """Return the verbs of our own that a policy asks for, each with what it is asked on."""
    text = yaml.safe_dump(policy["spec"], width=10_000).replace("''", "'")
    found = [(match["verb"], match["kind"].strip("'")) for match in ASKED.finditer(text)]
    return list(dict.fromkeys(each for each in found if each[0] in OWN))


def guards(policies: Mapping[str, Document]) -> Iterator[str]:
    """Yield the table of what is asked for which verb."""
    yield "| verb | on | asked for | policy |\n|---|---|---|---|"
    rows = [(verb, on, policy) for policy in policies.values() for verb, on in asked(policy)]
    for verb, on, policy in sorted(rows, key=lambda row: row[0]):
        where = "the object itself" if on.startswith("request.") else f"`{on}`"
        said = policy["metadata"]["annotations"][SAID]
        yield f"| `{verb}` | {where} | {said} | `{policy['metadata']['name']}` |"


def substance(policy: Document, schemas: Path) -> Iterator[str]:
    """Yield the table of which fields of `spec` need `consent`, and which an editor changes: what the policy does not free is guarded."""
    variables = {each["name"]: each["expression"] for each in policy["spec"]["variables"]}
    yield "| kind | needs `consent` | free |\n|---|---|---|"
    for plural, free in ast.literal_eval(variables["free"]).items():
        definition = yaml.safe_load((schemas / f"{plural}.yaml").read_text(encoding="utf-8"))
        spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        if unknown := set(free) - set(spec):
            raise ValueError(f"{policy['metadata']['name']} frees what {plural} do not have: {', '.join(sorted(unknown))}")
        guarded = ", ".join(f"`{name}`" for name in spec if name not in free)
        yield f"| {definition['spec']['names']['kind']} | {guarded} | {', '.join(f'`{name}`' for name in free)} |"


def page(templates: Path = TEMPLATES, schemas: Path = ROOT / "crds") -> str:
    """Return the whole page."""
    shipped = documents(templates / "access", "ClusterRole")
    if set(shipped) != {PREFIX + role for role in ROLES}:
        raise ValueError(f"templates/access holds other roles than {', '.join(ROLES)}; name them here")
    roles = [shipped[PREFIX + role] for role in ROLES]
    policies = documents(templates / "admission", "ValidatingAdmissionPolicy")
    lines = [
        "| role | |\n|---|---|",
        *(f"| `{role['metadata']['name']}` | {role['metadata']['annotations'][SAID]} |" for role in roles),
        "",
        BIND
        + "## What each may do\n\n`read` is get, list and watch; `write` is create, update, patch and delete. What is not here, nobody may.\n",
        *matrix(roles),
        "\nA verb on `departments` is held in the namespace of that Department, by the same RoleBinding; nobody of a department reads or writes the Department itself.",
        "In `dept-<name>-platform`, but for a steward's `get` of the one Secret `commonweal-signing`, in other departments' namespaces and on what belongs to no namespace, none of them may anything.\n",
        "## What `consent` and `register` guard\n\nNo request has these verbs; admission asks for them beside the verb of the request.\n",
        *guards(policies),
        "\nWhat leaves follows from these fields of `spec`; a field that is new is guarded until the policy frees it. Deleting closes, and needs no `consent`.\n",
        *substance(policies["commonweal-what-leaves"], schemas),
    ]
    return HEAD + "\n".join(lines) + "\n" + TAIL


def main(arguments: list[str]) -> int:
    """Write it, or with --check say whether it is as it would be written."""
    return write_or_check({PAGE: page()}, arguments, "python docs/tools/roles.py")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
