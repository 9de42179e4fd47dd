"""What `pulumi up` runs for a site: read the configuration, refuse what is wrong with it, register the platform."""

from __future__ import annotations

import pulumi

from commonweal_stacks.clusters import cluster_of
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.conformity.site_key import public_jwk
from commonweal_stacks.platform.chart import ChartError
from commonweal_stacks.platform.component import Platform
from commonweal_stacks.platform.layer import build_layer
from commonweal_stacks.site import (
    IMAGES_KEY,
    MASTER_KEY,
    SIGNING_KEY,
    SiteConfigError,
    load_images,
    parse_master,
    parse_signing_key,
    parse_site,
)


def deploy() -> None:
    """Deploy the stack's site. Wrong configuration ends the program before anything is registered, with a remedy."""
    try:
        _deploy()
    except (SiteConfigError, ChartError) as error:
        raise pulumi.RunError(str(error)) from error


def _deploy() -> None:
    stack = pulumi.get_stack()
    site = parse_site(pulumi.Config("commonweal").get_object("site"), stack=stack)
    images = load_images(pulumi.runtime.get_config(IMAGES_KEY), stack=stack)
    given = pulumi.runtime.get_config(MASTER_KEY)
    master = parse_master(given, stack=stack, secret=pulumi.runtime.is_config_secret(MASTER_KEY))
    given = pulumi.runtime.get_config(SIGNING_KEY)
    signing = parse_signing_key(given, stack=stack, secret=pulumi.runtime.is_config_secret(SIGNING_KEY))
    kubeconfig = cluster_of(site).kubeconfig()
    identifier = cluster_uid(kubeconfig, site=site.name)
    layer = build_layer(site, images, pulumi.Output.secret(master), pulumi.Output.secret(signing))
    platform = Platform(site.name, layer, kubeconfig=kubeconfig, cluster_identifier=identifier)
    pulumi.export("siteKey", public_jwk(signing))
    for name, value in platform.outputs.items():
        pulumi.export(name, value)
