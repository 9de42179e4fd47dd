"""What the chart `commonweal` may be given: the one place where its values, their defaults, bounds and descriptions are written.

`charts/commonweal/values.yaml` and `values.schema.json` are made from it: python -m commonweal_stacks.platform.values [--check]
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, WithJsonSchema

from commonweal_api.generated import write_or_check
from commonweal_stacks.manifests import AUTHORITY_SECRET, SECTORS_SECRET, STORAGE_CLASS
from commonweal_stacks.site import NONE_LEFT_OUT, Certificates, Identity, ObjectName, Portal
from commonweal_stacks.site_kinds import Part

CHART = Path(__file__).resolve().parents[4] / "charts" / "commonweal"
COMMAND = "python -m commonweal_stacks.platform.values"
MADE = f"Made from stacks/src/commonweal_stacks/platform/values.py by `{COMMAND}`; change that, not this file."
# The draft that every Helm 3 reads.
DIALECT = "http://json-schema.org/draft-07/schema#"
COLUMNS = 140
# How a reader looks at a value: what it is for first.
ORDER = ("description", "type", "default")

Schema = dict[str, Any]
Image = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=300)]
Quantity = Annotated[
    str | int | float, WithJsonSchema({"type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|[KMGT]i?)?$", "minimum": 0})
]


class Images(Part):
    """The four images; without defaults, for a guess would start the wrong code."""

    model_config = NONE_LEFT_OUT

    operator: Image = Field(description="Reference of the operator's image.")
    runtime: Image = Field(description="Reference of the image of data APIs and model runtimes.")
    store: Image = Field(description="Reference of the image of stores and their keepers, and of the small issuer's store.")
    portal: Image = Field(description="Reference of the image of the pages for people, and of the small issuer, which wears their dress.")


class Requests(Part):
    """What the operator's pod asks for."""

    cpu: Quantity | None = Field(default="50m", description="Processor that is kept for the pod, in cores or thousandths of one (`50m`).")
    memory: Quantity | None = Field(
        default="384Mi",
        description="Memory that is kept for the pod; as much as its limit, or a node that runs short ends it before others.",
    )


class Limits(Part):
    """What the operator's pod may not exceed."""

    cpu: Quantity | None = Field(default=None, description="Processor, in cores or thousandths of one. Without it there is no limit.")
    memory: Quantity | None = Field(default="384Mi", description="Memory. A pod that takes more is killed and starts again.")


class Resources(Part):
    """Requests and limits of the operator's pod."""

    requests: Requests = Field(default_factory=Requests, description="What the operator's pod asks for.")
    limits: Limits = Field(default_factory=Limits, description="What the operator's pod may not exceed.")


class Operator(Part):
    """The operator's Deployment."""

    model_config = NONE_LEFT_OUT

    replicas: int = Field(default=1, ge=1, le=5, description="Pods of the operator. With more than one, a Lease elects the one that acts.")
    closed_namespaces: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")], ...] = Field(
        default=("default", "kube-system", "kube-public", "kube-node-lease"),
        max_length=200,
        description="Namespaces of others in which the operator can never give itself rights, the release's own besides. Name each that the site has and that is no department's.",
    )
    resources: Resources = Field(default_factory=Resources, description="Requests and limits of the operator's pod.")


class Mail(Part):
    """The mail server of the site."""

    server: Annotated[str, StringConstraints(pattern=r"^(smtps?://[A-Za-z0-9.-]{1,253}:[1-9][0-9]{0,4})?$")] = Field(
        default="", description="`smtp://HOST:PORT` or `smtps://HOST:PORT`, outside the site. Empty: no code is sent."
    )
    sender: Annotated[str, StringConstraints(pattern=r"^([!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253})?$")] = Field(
        default="", description="The address that messages come from."
    )


Ranges = tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")], ...]


class Values(Part):
    """Everything that may differ between sites."""

    model_config = NONE_LEFT_OUT

    images: Images = Field(description="References of the four images; by digest or by a tag that never moves. They have no default.")
    site: Annotated[str, StringConstraints(pattern=r"^([a-z]([a-z0-9-]{0,38}[a-z0-9])?)?$", max_length=40)] = Field(
        default="",
        description="Name of this site, as every Department's spec.consentFeed calls it. Empty: the site takes no consent feed of others.",
    )
    expose: Literal["LoadBalancer", "ClusterIP"] = Field(
        default="ClusterIP", description="Type of the Services through which the departments' data APIs and model runtimes are reached."
    )
    client_cidrs: Ranges = Field(
        default=(),
        max_length=50,
        description="Address ranges outside the cluster from which services and people may call. Empty: only from inside.",
    )
    pod_cidrs: Ranges = Field(
        default=(),
        max_length=50,
        description="The cluster's address ranges of pods. Nothing in them is taken for the API server or a source. Empty: not known, so egress to the API server and to sources is to any address.",
    )
    service_cidrs: Ranges = Field(default=(), max_length=50, description="The cluster's address ranges of services; as with podCidrs.")
    api_servers: Ranges = Field(
        default=(),
        max_length=50,
        description="Where the API server answers, as pods' traffic has it after translation. Empty: any address that is no pod and no service.",
    )
    trusted_proxies: Ranges = Field(
        default=(),
        max_length=50,
        description="Networks of proxies outside the pods, such as an ingress, whose X-Forwarded-For is believed. Empty: none is believed; who calls is who connects.",
    )
    storage_class: Literal["std-rwo", "std-rwx"] = Field(
        default=STORAGE_CLASS,
        description="Class of the stores' volumes. The lock-in policies refuse other names, so name the site's own class so.",
    )
    client_issuer: Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$")] = Field(
        default="", description="Who issues the tokens of ServiceAccounts (their `iss`). Empty: the operator asks the API server."
    )
    identity: Identity = Field(
        default_factory=Identity,
        description="The issuer of people's tokens: `issuer` names one that the site has, `enabled` runs the small one. With neither, no person can sign in.",
    )
    portal: Portal = Field(
        default_factory=Portal,
        description="The pages on which people see who uses their information, and decide. They run where the small issuer does.",
    )
    mail: Mail = Field(
        default_factory=Mail,
        description="The mail server that data APIs send codes through, where a department asks for one before it links a person.",
    )
    certificates: Certificates = Field(
        default_factory=Certificates, description="Who issues the workloads' certificates: the site's own authority, or cert-manager."
    )
    sectors_secret: ObjectName = Field(
        default=SECTORS_SECRET,
        description="Secret with the site's master key: key `master`, 64 hexadecimal digits. The stack makes it. It must never change.",
    )
    authority_secret: ObjectName = Field(
        default=AUTHORITY_SECRET,
        description="Secret with the key of the site's authority: key `authority`, 64 hexadecimal digits. The stack makes it. Sites with the same one believe one another.",
    )
    operator: Operator = Field(default_factory=Operator, description="The operator's Deployment.")

    def for_helm(self) -> dict[str, Any]:
        """Return the values as Helm takes them."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def schema() -> Schema:
    """Return the JSON Schema of the values: every object closed, every value with its description, definitions inlined."""
    full = Values.model_json_schema(by_alias=True, mode="serialization")
    whole = _inlined(full, full["$defs"])
    # Helm gives `global` to a chart that another one depends on.
    whole["properties"]["global"] = {
        "type": "object",
        "description": "What a chart above this one gives to all of its charts. Not used here.",
    }
    return {"$schema": DIALECT, "$comment": MADE, "title": "Values of the chart commonweal", **whole}


def _inlined(node: Any, definitions: Mapping[str, Schema]) -> Any:
    """Return a part of a schema without references, titles, and null: a value that is null is none to Helm."""
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]] | {key: value for key, value in node.items() if key != "$ref"}
    if "anyOf" in node:
        (only,) = (each for each in node["anyOf"] if each != {"type": "null"})
        node = only | {key: value for key, value in node.items() if key != "anyOf"}
    kept = {key: node[key] for key in ORDER if key in node} | node
    return {
        key: _inlined(value, definitions)
        for key, value in kept.items()
        if key not in {"$defs", "title"} and (key, value) != ("default", None)
    }


def defaults() -> str:
    """Return values.yaml: every value with its default, under its description."""
    return "\n".join([f"# {MADE}", "# values.schema.json says what each may be.", *_lines(Values, ""), ""])


def _lines(part: type[Part], indent: str) -> Iterator[str]:
    for info in part.model_fields.values():
        yield from textwrap.wrap(str(info.description), COLUMNS, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Part):
            yield f"{indent}{info.alias}:"
            yield from _lines(inner, indent + "  ")
        else:
            value = "" if info.is_required() else info.default
            yield f"{indent}# {info.alias}:" if value is None else f"{indent}{info.alias}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    return '""' if value == "" else yaml.safe_dump([list(value) if isinstance(value, tuple) else value], default_flow_style=True)[1:-2]


def rendered() -> dict[Path, str]:
    """Return the text of each file that is made from here."""
    return {CHART / "values.yaml": defaults(), CHART / "values.schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"}


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` say which is not as it would be written."""
    return write_or_check(rendered(), arguments, COMMAND)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
