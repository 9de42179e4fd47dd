"""What `pulumi up` runs for a site: read the configuration, refuse what is wrong with it, register the cluster and the platform on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pulumi

from commonweal_stacks import blueprint, clusters
from commonweal_stacks import fleet_names as names
from commonweal_stacks.blueprint import files
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.components.cluster import DeclaredCluster, DeclaredClusterArgs, FleetEntry, FleetEntryArgs
from commonweal_stacks.components.platform import Platform, PlatformArgs
from commonweal_stacks.conformity.site_key import public_jwk
from commonweal_stacks.exceptions import ChartError, SiteConfigError
from commonweal_stacks.management_access import management_file, management_if_any
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.platform.layer import Keys, Layer, build_layer
from commonweal_stacks.site import (
    AUTHORITY_KEY,
    ENCRYPTION_KEY,
    IMAGES_KEY,
    MASTER_KEY,
    SIGNING_KEY,
    SITE_KEY,
    SiteConfig,
    load_images,
    parse_authority,
    parse_encryption_key,
    parse_master,
    parse_signing_key,
    parse_site,
)
from commonweal_stacks.stack_file import setting


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs to know, checked. `declared` is what the management cluster is told; nothing for an adopted site."""

    site: SiteConfig
    layer: Layer
    declared: tuple[Manifest, ...]
    public_key: str


def deploy() -> None:
    """Deploy the stack's site. Wrong configuration ends the program before anything is registered, with a remedy."""
    try:
        plan = _plan(pulumi.get_stack())
        kubeconfig, identifier = _adopted(plan.site) if plan.site.kind == "adopted" else _declared(plan)
    except (SiteConfigError, ChartError) as error:
        raise pulumi.RunError(str(error)) from error
    platform = Platform(plan.site.name, PlatformArgs(layer=plan.layer, kubeconfig=kubeconfig, cluster_identifier=identifier))
    pulumi.export("siteKey", plan.public_key)
    pulumi.export("blueprint", plan.site.blueprint)
    pulumi.export("namespace", platform.namespace)
    pulumi.export("clusterIdentifier", platform.cluster_identifier)
    pulumi.export("digest", platform.digest)
    pulumi.export("endpoints", platform.endpoints)


def _plan(stack: str) -> Plan:
    """Return what is to be deployed. Raises SiteConfigError or ChartError."""
    site = parse_site(setting(SITE_KEY, stack), stack=stack)
    images = load_images(setting(IMAGES_KEY, stack), stack=stack)
    master, authority = _secret(MASTER_KEY, parse_master, stack), _secret(AUTHORITY_KEY, parse_authority, stack)
    signing = _secret(SIGNING_KEY, parse_signing_key, stack)
    keys = Keys(*(pulumi.Output.secret(key) for key in (master, authority, signing)))
    layer = build_layer(site, images, keys)
    return Plan(site, layer, tuple(_declarations(site, stack)), public_jwk(signing))


def _secret(key: str, parse: Callable[..., str], stack: str) -> str:
    return parse(pulumi.runtime.get_config(key), stack=stack, secret=pulumi.runtime.is_config_secret(key))


def _declarations(site: SiteConfig, stack: str) -> list[Manifest]:
    """Return what makes the site's cluster, the Cluster itself last."""
    if site.kind == "adopted":
        return []
    revision = blueprint.revision(site.blueprint)
    clusters.refuse_change(site, revision, clusters.running_version(site.name))
    made = clusters.site_objects(site, revision)
    if not clusters.adapter_of(site.kind).declaration.encrypted:
        return made
    file = files.encryption(revision, _secret(ENCRYPTION_KEY, parse_encryption_key, stack))
    return [*clusters.secret_objects(site, revision, pulumi.Output.secret(file)), *made]


def _adopted(site: SiteConfig) -> tuple[pulumi.Input[str], pulumi.Input[str]]:
    kubeconfig = clusters.cluster_of(site).kubeconfig()
    identifier = cluster_uid(kubeconfig, site=site.name)
    management = management_if_any()
    if management:
        program = clusters.credentials_program(kubeconfig)
        if program:
            pulumi.log.warn(
                f"the kubeconfig of {site.name} asks the program {program!r} for its credentials, which whoever reads Secret "
                f"{names.FLEET}/{names.kubeconfig_secret(site.name)} must have, too. One with a token or a certificate works everywhere."
            )
        FleetEntry(site.name, FleetEntryArgs(kubeconfig=kubeconfig, management=management))
    return kubeconfig, identifier


def _declared(plan: Plan) -> tuple[pulumi.Input[str], pulumi.Input[str]]:
    cluster = DeclaredCluster(plan.site.name, DeclaredClusterArgs(objects=plan.declared, management=management_file()))
    return cluster.kubeconfig, cluster.identifier
