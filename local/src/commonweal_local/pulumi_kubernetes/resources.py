"""Create, read, update and delete, on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from commonweal_local.pulumi_kubernetes import state
from commonweal_local.pulumi_kubernetes.cluster import Cluster, NotServed, Refused
from commonweal_local.pulumi_kubernetes.config import Settings
from commonweal_local.pulumi_kubernetes.objects import (
    Object,
    Reference,
    annotation,
    from_token,
    group,
    is_true,
    reference,
    split_identifier,
)
from commonweal_local.pulumi_kubernetes.values import Secret, has_unknowns, mark_secrets, plain
from commonweal_local.pulumi_kubernetes.waiting import NotReady, Waiter, timeout_of, until_gone, until_ready

# Whose hand edits are taken over without asking, as the vendor's plug-in does: a person's kubectl, and objects from before apply.
HANDS = ("kubectl", "before-first-apply")
# Kinds that own others: deleted after what they own. For the rest the order makes no difference, and nothing need wait for the collector.
OWNERS = frozenset({"apps", "batch", "commonweal.dev"})
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")
RETRY_SECONDS = 30.0

Tell = Callable[[str], None]


class ResourceError(Exception):
    """An operation that failed; the text names the object, the reason and the remedy."""


@dataclass
class PartlyDone(Exception):  # noqa: N818 - it says what happened
    """The object was made, but is not ready: the state is kept and the next update tries again."""

    reason: str
    identifier: str
    state: Object = field(repr=False)

    def __str__(self) -> str:
        return self.reason


@dataclass
class Resources:
    """The operations on one cluster, under one set of provider settings."""

    cluster: Cluster
    settings: Settings
    waiter: Waiter

    def preview(self, urn: str, inputs: Object, old: Mapping[str, Any] | None = None) -> Object:
        """Return the state that creating or updating would give, by the server's own dry run.

        What the server cannot judge yet (values or kinds or namespaces that do not exist, a replacement of an object that is still there)
        is returned as given. What it refuses for good is raised, so that a preview fails where the update would.
        """
        if has_unknowns(inputs):
            return inputs
        manager, obj = state.field_manager(urn, old), plain(inputs)
        ref, found = reference(obj), None
        try:
            found = self.cluster.get(ref)
            if old is None and found is not None:
                self._refuse_strangers(ref, found, manager)
            live = self._put(ref, obj, manager, found, dry_run=True)
        except NotServed:
            return inputs
        except Refused as error:
            replacing = old is None and found is not None and error.status == 422  # the old object is still there
            if replacing or error.status in {403, 404}:
                return inputs
            raise ResourceError(_refusal(ref, error)) from error
        live.pop("status", None)
        return state.checkpoint(inputs, live, manager)

    def create(self, urn: str, inputs: Object, seconds: float, tell: Tell) -> tuple[str, Object]:
        """Make the object and wait until it is ready; return its id and state. Raises ResourceError or PartlyDone.

        An object that is already there is refused, unless an earlier run of this very resource made it and was cut short.
        """
        manager, obj = state.field_manager(urn), plain(inputs)
        ref = reference(obj)
        live = self._create(ref, obj, manager, tell)
        return self._await(inputs, live, manager, "", seconds, tell)

    def update(self, urn: str, inputs: Object, old: Mapping[str, Any], seconds: float, tell: Tell) -> Object:
        """Bring the object to the new inputs and wait until it is ready; return its state. Raises ResourceError or PartlyDone."""
        manager, obj = state.field_manager(urn, old), plain(inputs)
        ref = reference(obj)
        try:
            live = self._put(ref, obj, manager, self.cluster.get(ref))
        except Refused as error:
            raise ResourceError(_refusal(ref, error)) from error
        return self._await(inputs, live, manager, str(plain(old.get(state.FIRST_VERSION, ""))), seconds, tell)[1]

    def read(self, token: str, urn: str, identifier: str, old: Mapping[str, Any], inputs: Object) -> tuple[Object, Object] | None:
        """Return (state, inputs) as they are on the cluster now, or None when the object is gone.

        Without inputs (an import, or a `get`) they are made from the live object; else they are the old ones with what drifted.
        """
        api_version, kind = from_token(token)
        namespace, name = split_identifier(identifier)
        try:
            live = self.cluster.get(Reference(plain(inputs.get("apiVersion", api_version)), kind, name, namespace))
        except NotServed:
            return None
        if live is None:
            return None
        if inputs:
            fresh = state.drifted(inputs, state.live_of(old), live)
        else:
            fresh = mark_secrets(state.imported(live), {"data": Secret({})} if kind == "Secret" else {})
        first = str(plain(old.get(state.FIRST_VERSION, "")))
        return state.checkpoint(fresh, live, state.field_manager(urn, old), first), fresh

    def delete(self, old: Mapping[str, Any], identifier: str, seconds: float) -> None:
        """Delete the object and wait until it is gone; one that is gone already is fine. Raises PartlyDone."""
        live = state.live_of(old)
        namespace, name = split_identifier(identifier)
        ref = Reference(live.get("apiVersion", ""), live.get("kind", ""), name, namespace)
        try:
            if not self.cluster.delete(ref, _propagation(live)):
                return
            until_gone(self.cluster, self.waiter, live, timeout_of(live, seconds))
        except NotServed:
            return
        except NotReady as error:
            kept = {**old, **mark_secrets(error.live, old)}
            raise PartlyDone(str(error), identifier, kept) from error

    def _create(self, ref: Reference, obj: Object, manager: str, tell: Tell) -> Object:
        """Make the object; a namespace or a kind that another resource is still making is waited for a while."""
        problem: Exception = ResourceError("cancelled")
        for _ in self.waiter.rounds(RETRY_SECONDS):
            try:
                found = self.cluster.get(ref)
                if found is not None:
                    self._refuse_strangers(ref, found, manager)
                return self._put(ref, obj, manager, found)
            except NotServed as error:
                problem = error
            except Refused as error:
                if error.status != 404:
                    raise ResourceError(_refusal(ref, error)) from error
                problem = error
            tell(f"{ref}: {problem}; trying again")
        raise ResourceError(f"{ref} could not be created: {problem}") from problem

    def _put(self, ref: Reference, obj: Object, manager: str, found: Object | None, *, dry_run: bool = False) -> Object:
        """Apply the object. A definition that is there is replaced instead, so that versions and fields taken out do go."""
        if found is not None and (group(ref.api_version), ref.kind) == CRD:
            version = found["metadata"]["resourceVersion"]
            return self.cluster.replace(ref, {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}, manager, dry_run=dry_run)
        force = self.settings.patch_force or is_true(obj, "patchForce")
        try:
            return self.cluster.apply(ref, obj, manager, force=force, dry_run=dry_run)
        except Refused as error:
            if not error.managers or not all(owner.startswith(HANDS) for owner in error.managers):
                raise
        return self.cluster.apply(ref, obj, manager, force=True, dry_run=dry_run)

    def _refuse_strangers(self, ref: Reference, found: Object, manager: str) -> None:
        managers = sorted({entry.get("manager", "") for entry in found["metadata"].get("managedFields") or ()})
        if manager not in managers:
            raise ResourceError(
                f"{ref} already exists (managed by {', '.join(managers) or 'nobody named'}) and is not this stack's. Delete it, give this resource "
                "another metadata.name, or take it over with `pulumi import`."
            )

    def _await(self, inputs: Object, live: Object, manager: str, first: str, seconds: float, tell: Tell) -> tuple[str, Object]:
        ref = reference(live)
        identifier = f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name
        try:
            live = until_ready(self.cluster, self.waiter, plain(inputs), live, timeout_of(plain(inputs), seconds), tell)
        except NotReady as error:
            raise PartlyDone(str(error), identifier, state.checkpoint(inputs, error.live, manager, first)) from error
        return identifier, state.checkpoint(inputs, live, manager, first)


def _propagation(live: Mapping[str, Any]) -> str:
    chosen = annotation(live, "deletionPropagationPolicy")
    if chosen:
        return chosen.capitalize()
    return "Foreground" if group(live.get("apiVersion", "")) in OWNERS else "Background"


def _refusal(ref: Reference, error: Refused) -> str:
    """Return what the API server refused, and what to do about it."""
    if error.managers:
        return (
            f"{ref}: fields are owned by another field manager, {', '.join(error.managers)}: {error.message}. Take the fields out of this "
            'resource, or take them over with the annotation pulumi.com/patchForce: "true".'
        )
    if error.immutable:
        return f"{ref}: {error.message}. Replace it: `pulumi up --target-replace <urn>`, or give it a new name."
    return f"{ref}: the API server refused it: {error.message}"
