"""From what the API server stores to typed records. What does not parse is kept as a record that says why, and counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from commonweal_api import ConsentPolicy, DataProduct, Department, ModelService, namespace_of
from commonweal_api.common import API_VERSION, PLATFORM_SUFFIX
from commonweal_api.directory import Listed
from commonweal_api.ending import CONFIRM_UNREACHABLE, ENDING
from commonweal_api.move import ARRIVING, SPLITTING
from commonweal_kube.objects import Record
from commonweal_kube.queue import Key

MODELS: Mapping[str, type[Department | DataProduct | ConsentPolicy | ModelService]] = {
    "Department": Department,
    "DataProduct": DataProduct,
    "ConsentPolicy": ConsentPolicy,
    "ModelService": ModelService,
}


def key_of(body: Mapping[str, Any]) -> Key:
    """Return the key of a body; a Department stands with its own namespace, so that it takes turns as its objects do."""
    meta = body["metadata"]
    tenant = namespace_of(meta["name"]) if body["kind"] == "Department" else meta["namespace"]
    return Key(tenant, body["kind"], meta["name"])


def department_of(tenant: str) -> str:
    """Return the department whose own namespace this would be; an empty string, which no department is called, for any other namespace."""
    prefix = namespace_of("")
    return tenant[len(prefix) :] if tenant.startswith(prefix) and not tenant.endswith(PLATFORM_SUFFIX) else ""


def collection_of(kind: str) -> str:
    """Return the collection's path over all namespaces."""
    return f"/apis/{API_VERSION}/{MODELS[kind].plural}"


def path_of(key: Key) -> str:
    """Return the object's path."""
    model = MODELS[key.kind]
    space = f"/namespaces/{key.tenant}" if model.namespaced else ""
    return f"/apis/{API_VERSION}{space}/{model.plural}/{key.name}"


def read(body: Mapping[str, Any], old: Record | None) -> Record:
    """Return the record of a body. A spec that is known already is not parsed again."""
    key, meta = key_of(body), body["metadata"]
    uid, generation, status = meta["uid"], int(meta.get("generation", 1)), body.get("status") or {}
    if old is not None and (old.uid, old.generation) == (uid, generation):
        parsed, invalid = old.parsed, old.invalid
    else:
        parsed, invalid = _parse(MODELS[key.kind], body)
    annotations, deleted = meta.get("annotations") or {}, meta.get("deletionTimestamp")
    return Record(
        key,
        uid,
        int(meta["resourceVersion"]),
        generation,
        deleted is not None,
        parsed,
        invalid,
        status,
        arriving=ARRIVING in annotations,
        splitting=SPLITTING in annotations,
        ending=datetime.fromisoformat(deleted) if deleted is not None else None,
        held=ENDING in (meta.get("finalizers") or ()),
        let_go=annotations.get(CONFIRM_UNREACHABLE) == meta["name"],
    )


def listed(record: Record) -> Listed:
    """Return what the directory says of a Department. One that does not parse has its name alone, for people are known there whatever its spec says."""
    if record.parsed is None:
        return Listed(record.key.name)
    spec = record.parsed.spec
    return Listed.of(record.key.name, spec.display_name, spec.contact, record.status, spec.cy.display_name if spec.cy else "")


def _parse(model: type[BaseModel], body: Mapping[str, Any]) -> tuple[Any, str]:
    # The status is the operator's own, and may be of another version of it: it must not decide whether the spec is valid.
    content = {k: v for k, v in body.items() if k != "status"}
    # Whoever may write an object may hang a megabyte on it, which nothing here reads.
    content["metadata"] = {k: v for k, v in body["metadata"].items() if k not in ("managedFields", "annotations", "labels")}
    try:
        return model.model_validate(content), ""
    except ValidationError as error:
        return None, "; ".join(_sentence(e["loc"], e["msg"]) for e in error.errors(include_url=False, include_input=False)[:5])


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    # Our own rules name the field themselves.
    return text if text.startswith(("spec.", "fields[]")) else f"{'.'.join(str(part) for part in where)}: {text}"
