"""The next step for one Cluster. Pure: the same facts give the same step, whatever happened before."""

from __future__ import annotations

from enum import StrEnum

from commonweal_local.provider import refusals
from commonweal_local.provider.facts import Facts, Mode
from commonweal_stacks.blueprint import REVISIONS


class Step(StrEnum):
    """What is done next; after each the facts are gathered anew."""

    NOTHING = "nothing"
    HOLD = "put our finalizers on"
    START = "start the site"
    CHANGE = "bring the running site to another version or size"
    SECRET = "write the kubeconfig Secret"
    ENDPOINT = "write the endpoint"
    INTRODUCE = "tell the sites each other's names"
    END = "end the site and let the control plane go"
    RELEASE = "let the infrastructure go"


def decide(facts: Facts) -> Step:
    """The next step; NOTHING when all is as asked, or must wait for somebody else."""
    if is_paused(facts):
        return Step.NOTHING
    if leaving(facts):
        return _leave(facts)
    if facts.infra is None or facts.plane is None:
        return Step.NOTHING
    if not (facts.infra.held and facts.plane.held):
        return Step.HOLD
    if refusals.of_place(facts):
        return Step.NOTHING
    return _go_on(facts)


def is_paused(facts: Facts) -> bool:
    """Whether the Cluster, or one of our two objects by annotation, asks for no change, not even an end."""
    return any(seen is not None and seen.paused for seen in (facts.cluster, facts.infra, facts.plane))


def leaving(facts: Facts) -> bool:
    """Whether the Cluster is being deleted. Cluster API deletes the control plane first; the infrastructure alone is waited with."""
    plane, infra = facts.plane, facts.infra
    return (plane is not None and plane.deleting) or (infra is not None and infra.deleting)


def _leave(facts: Facts) -> Step:
    plane, infra = facts.plane, facts.infra
    if plane is not None and plane.held:
        return Step.END if plane.deleting else Step.NOTHING
    return Step.RELEASE if infra is not None and infra.held and infra.deleting and plane is None else Step.NOTHING


def _go_on(facts: Facts) -> Step:
    site = facts.site
    if site is None or not site.running or site.error:
        return Step.START if may_start(facts) else Step.NOTHING
    # As soon as there is a kubeconfig, long before the site is ready: who reads it once the site is said to be there must not find it missing, for
    # Cluster API's core would look again half a minute later.
    if site.digest and (facts.secret is None or facts.secret.digest != site.digest):
        return Step.SECRET
    if site.serving and site.digest and not has_endpoint(facts):
        return Step.ENDPOINT
    if not site.ready or site.changing:
        return Step.NOTHING
    if (wants_change(facts) or site.change_error) and facts.wait <= 0:
        return Step.CHANGE
    return Step.NOTHING if facts.introduced else Step.INTRODUCE


def may_start(facts: Facts) -> bool:
    """Whether a site that does not run may be started now."""
    unknown = facts.wanted_version not in facts.known or facts.wanted_blueprint not in REVISIONS
    older = (
        facts.site is not None and facts.site.kubernetes and refusals.number(facts.site.kubernetes) > refusals.number(facts.wanted_version)
    )
    return facts.wait <= 0 and not unknown and not older and refusals.of_machine(facts) is None


def wants_change(facts: Facts) -> bool:
    """Whether a ready site runs another version, or has other settings or another size than asked for, and may go there."""
    return wants_version(facts) or wants_blueprint(facts) or wants_size(facts)


def wants_version(facts: Facts) -> bool:
    site = facts.site
    if site is None or not site.version or site.version == facts.wanted_version or facts.wanted_version not in facts.known:
        return False
    tried = site.kubernetes == facts.wanted_version and site.reached == site.revision
    return not tried and refusals.number(site.version) < refusals.number(facts.wanted_version)


def wants_blueprint(facts: Facts) -> bool:
    site = facts.site
    return site is not None and site.blueprint != facts.wanted_blueprint and facts.wanted_blueprint in REVISIONS and site.takes_blueprint


def wants_size(facts: Facts) -> bool:
    site = facts.site
    return site is not None and site.size != wanted_size(facts) and refusals.of_size(facts) is None


def wanted_size(facts: Facts) -> int:
    """Simulated nodes; in mode Pods the nodes that the one node stands for, 0 for the whole machine."""
    if facts.nodes is not None:
        return facts.nodes
    return 0 if facts.mode is Mode.PODS else (facts.site.size if facts.site else 3)


def has_endpoint(facts: Facts) -> bool:
    """Whether the infrastructure object says where the site is."""
    said = (facts.infra.spec.get("controlPlaneEndpoint") or {}) if facts.infra else {}
    return facts.site is not None and (said.get("host"), said.get("port")) == (facts.site.host, facts.site.port)
