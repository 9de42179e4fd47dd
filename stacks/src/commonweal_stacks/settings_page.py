"""docs/reference/settings.md: every setting, made from where it is read. Pure but for reading and writing that file.

python -m commonweal_stacks.settings_page [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from commonweal_api.generated import write_or_check
from commonweal_stacks.checkout import source
from commonweal_stacks.management.config import MANAGEMENT_KEY, SEED_KEY, ManagementConfig
from commonweal_stacks.platform.values import Values
from commonweal_stacks.site import AUTHORITY_KEY, ENCRYPTION_KEY, IMAGES_KEY, MASTER_KEY, SIGNING_KEY, SITE_KEY, SiteConfig
from commonweal_stacks.site_kinds import BLOCKS

HEAD = """\
# Settings

<!-- Made by `python -m commonweal_stacks.settings_page`; change what reads the setting, or its description there. -->

Everything that can be set, and who sets it. What a department sets is in its manifests ([kinds](api.md)); what differs by kind of site is in [site-kinds.md](site-kinds.md).
A setting that is not here does not exist; an unknown key in a stack file or in the chart's values is an error that names it.
"""
# Variables of the environment: which part reads them, and of each its name, its default and what it means. A test finds a variable that is read and not here.
ENVIRONMENT: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "The command and the stacks": (
        (
            "COMMONWEAL_HOME",
            "`~/.local/share/commonweal`",
            "State of this machine: sites, stacks, secrets made once. Losing it loses the sites.",
        ),
        ("COMMONWEAL_CACHE", "`~/.cache/commonweal`", "What can be made again: programs, image layers, wheels, Debian packages."),
        ("COMMONWEAL_SOURCE_PASSWORD", "asked for", "The password with which `commonweal source inspect` logs in."),
        ("COMMONWEAL_CLAIMS", "`/var/tmp/commonweal`", "Which site has which address, for all homes and users of the machine."),
        (
            "COMMONWEAL_MANAGEMENT_KUBECONFIG",
            "the embedded one's",
            "The kubeconfig of the management cluster that makes the sites' clusters.",
        ),
    ),
    "Every pod of a department": (
        (
            "COMMONWEAL_NAMESPACE",
            "needed in a cluster",
            "The namespace whose ConfigMaps hold plan and report; sources' Secrets lie in that of `COMMONWEAL_DEPARTMENT`.",
        ),
        (
            "COMMONWEAL_PLAN_EXCHANGE",
            "none: ConfigMaps",
            "A directory instead of the cluster, with `plan.json`, `closings.json` (what may be open; without it nothing is), `report.json` and `secrets/<name>/<key>`.",
        ),
        ("COMMONWEAL_LISTEN", "`0.0.0.0`", "The address that a server listens on; of PostgreSQL, its `listen_addresses`."),
        (
            "COMMONWEAL_TLS_DIR",
            "needed, unless a server listens on this machine only",
            "The directory with `tls.crt` and `tls.key`, which a server presents, and `ca.crt`, the authority that its clients trust; read again when they change.",
        ),
        ("COMMONWEAL_PORT", "the part's own", "The port that a web server listens on."),
        ("COMMONWEAL_CONNECTIONS", "1000", "How many connections a web server holds in all; then the idle one of who has most gives way."),
        ("COMMONWEAL_CONNECTIONS_PER_ADDRESS", "128", "How many of them one address may have, or one network of 64 bits of IPv6."),
        (
            "COMMONWEAL_LEAVING_SECONDS",
            "0 (data API and issuer in a pod: 5)",
            "How long a web server that is to end goes on accepting, until balancers have learnt of it and send no more connections.",
        ),
        ("COMMONWEAL_TRUSTED_PROXIES", "none", "Networks, separated by commas, whose `X-Forwarded-For` is believed."),
        (
            "COMMONWEAL_KEYS_DIR",
            "`/etc/commonweal/keys` (data API: needed)",
            "The directory with the keys `database` and `sector` (of the data API only where ids are made from tokens or the department has other sites); of the model runtime, with `password`, `store.crt` and `requests`.",
        ),
    ),
    "Store and keeper": (
        ("COMMONWEAL_SOCKET_DIR", "`/run/postgresql`", "Where PostgreSQL's socket lies; only the pod's own containers see it."),
        ("COMMONWEAL_VOLUMES", "none: as they are mounted", "Base URL of the reader of the department's volumes, over https."),
        ("COMMONWEAL_VOLUMES_DIR", "`/var/lib/commonweal/volumes`", "Where the volumes of sources of files are mounted."),
    ),
    "Data API": (
        ("COMMONWEAL_DEPARTMENT", "needed", "The department's name."),
        ("COMMONWEAL_AUDIENCE", "needed", "The audience that a service's token must carry."),
        ("COMMONWEAL_STORE", "needed", "`host:port` of the department's PostgreSQL."),
        ("COMMONWEAL_CLIENT_ISSUER", "needed", "The `iss` of ServiceAccounts' tokens."),
        ("COMMONWEAL_CLIENT_JWKS", "the cluster's", "Where the keys of that issuer are fetched."),
        ("COMMONWEAL_PERSON_ISSUER", "needed", "The `iss` of people's tokens."),
        ("COMMONWEAL_PERSON_KEYS", "none", "The public keys of that issuer as a JSON Web Key Set; then none are fetched."),
        ("COMMONWEAL_PERSON_JWKS", "by discovery", "Where the keys of that issuer are fetched, over https."),
        ("COMMONWEAL_PERSON_AUDIENCE", "the department's", "Audiences that a person's token may carry, separated by commas."),
        ("COMMONWEAL_PERSON_CLAIM", "`sub`", "The claim that says who a person is."),
        (
            "COMMONWEAL_PERSON_SUBJECT",
            "`Pairwise`",
            "`Pairwise`: the claim is the department's id of the person. `Source`: it is the sources' key.",
        ),
        ("COMMONWEAL_PERSON_SKEW_SECONDS", "`30`", "How far the people's issuer's clock may be off, 0 to 300."),
        (
            "COMMONWEAL_SMTP",
            "none: no codes",
            "The mail server that codes for linking are sent through, `smtp://HOST:PORT` or `smtps://HOST:PORT`.",
        ),
        ("COMMONWEAL_SMTP_FROM", "needed with a mail server", "The address that they come from."),
    ),
    "Model runtime": (
        ("COMMONWEAL_MODELS_DATABASE", "`models`", "The database of the department's store in which models are kept."),
        ("COMMONWEAL_TOKENS_DIR", "`/var/run/commonweal/tokens`", "Tokens for the data APIs that models read, one file a department."),
    ),
    "The small issuer of people's tokens": (
        ("COMMONWEAL_ISSUER", "needed", "The issuer's own address, as tokens name it."),
        ("COMMONWEAL_PEOPLE", "`/etc/commonweal/people/people.json`", "Who may sign in; `clients.json` may lie beside it."),
        (
            "COMMONWEAL_IDENTITY_DIR",
            "`/etc/commonweal/identity`",
            "The directory with what the operator made for it: `signing`, `seal`, `store`, `subjects.json` and `directory.json`.",
        ),
        ("COMMONWEAL_IDENTITY_STORE", "needed", "The issuer's store, `host:port`: sessions, links and preferences lie there."),
        (
            "COMMONWEAL_PROVIDER_ISSUER",
            "",
            "The OpenID provider at which people sign in, if there is one; `provider-secret` may lie in the directory above.",
        ),
        ("COMMONWEAL_PROVIDER_CLIENT_ID", "", "What the issuer is called at that provider."),
        ("COMMONWEAL_PORTAL_URL", "", "The portal's public address, if there is one."),
        ("COMMONWEAL_PORTAL_INNER", "the public address", "Where the issuer reaches the portal, to say that a session ended."),
        ("COMMONWEAL_SIGNING_KEY", "`signing`", "A PEM file with the key that signs tokens."),
    ),
    "The issuer's store": (
        ("COMMONWEAL_IDENTITY_STORE_DIR", "`/etc/commonweal/identity-store`", "The directory with `store`, the password of its one role."),
    ),
    "The portal": (
        ("COMMONWEAL_PORTAL_URL", "needed", "The portal's own public address, without a path."),
        ("COMMONWEAL_ISSUER", "needed", "The issuer's public address."),
        ("COMMONWEAL_ISSUER_INNER", "the public address", "Where the portal reaches the issuer."),
        ("COMMONWEAL_PORTAL_DIR", "`/etc/commonweal/portal`", "The directory with `cookie`, the key of its cookie."),
        ("COMMONWEAL_PORTAL_ASSETS", "`/opt/commonweal/portal`", "The directory with the built style and script."),
        ("COMMONWEAL_PORTAL_DEADLINE", "`0.7`", "How many seconds a page waits for a department, 0.05 to 30."),
    ),
    "Of other programs": (
        ("KUBECONFIG", "", "Which cluster the operator outside a pod, and every `commonweal` command without `--site`, speaks to."),
        ("KUBEBUILDER_ASSETS", "", "A directory in which programs are looked for after PATH."),
        ("PULUMI_HOME", "`~/.pulumi`", "Where plug-ins of Pulumi are looked for."),
        ("PULUMI_BACKEND_URL", "files in the home", "Where Pulumi keeps the state of the stacks; a choice of yours is left alone."),
        (
            "PULUMI_CONFIG_PASSPHRASE",
            "one made once",
            "What encrypts secrets in that state; `PULUMI_CONFIG_PASSPHRASE_FILE` names a file with it.",
        ),
        ("PGDATA", "the pod's volume", "PostgreSQL's directory, of the store's program and of a move."),
        ("CI", "", "If set, progress is one line a step."),
    ),
}
SECRETS = {
    AUTHORITY_KEY: "The key of the authority that certifies the site's workloads. Sites with the same one believe one another; others name it under `certificates.authority`.",
    MASTER_KEY: "The master of the sector keys, from which all pairwise ids follow. It must never change, and is the same on all sites of a department.",
    SIGNING_KEY: "The seed with which the site signs its statements: conformity, erasure.",
    ENCRYPTION_KEY: "The key with which the site's API servers encrypt Secrets. Who loses it loses them.",
    SEED_KEY: "What the webhooks' certificates of a management cluster are derived from.",
}


def file() -> Path:
    """Return where the page is."""
    return source() / "docs" / "reference" / "settings.md"


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *stack_files(), *chart_values(), *environment()])


def stack_files() -> Iterator[str]:
    """Yield the section on stack files: one table for a site, one for a management cluster, and the secrets of both."""
    yield from (
        f"## A site's stack file\n\nUnder `{SITE_KEY}` in `stacks/site/Pulumi.<site>.yaml` ([how to](../how-to/site.md)).\n",
        *_HEAD,
    )
    yield from rows(SiteConfig, leave_out=BLOCKS.values())
    blocks = ", ".join(f"`{SiteConfig.model_fields[name].alias}`" for name in BLOCKS.values())
    yield f"| {blocks} | one, by kind | The block of the site's kind: [site-kinds.md](site-kinds.md). |"
    yield f"\n`{IMAGES_KEY}` beside it names the file that lists the images (default: `images.json` in the home).\n"
    yield from (f"## A management cluster's stack file\n\nUnder `{MANAGEMENT_KEY}` ([how to](../how-to/management.md)).\n", *_HEAD)
    yield from rows(ManagementConfig)
    yield "\n## Secrets of a stack\n\nEach 64 hexadecimal digits, made once by `commonweal` where it is not set, never in a committed file.\n"
    yield from ("| key | means |", "|---|---|", *(f"| `{key}` | {text} |" for key, text in SECRETS.items()), "")


def chart_values() -> Iterator[str]:
    """Yield the section on the chart's values."""
    yield "## The chart's values\n\nOf `charts/commonweal`. `commonweal site up` writes them from the stack file; with `helm` alone they are yours.\n"
    yield from (*_HEAD, *rows(Values), "")


_HEAD = ("| key | default | means |", "|---|---|---|")


def rows(model: type[BaseModel], above: str = "", leave_out: Collection[str] = ()) -> Iterator[str]:
    """Yield a row for each key of a model, and of the models in it. ValueError names a key that says nothing of itself."""
    for name, info in model.model_fields.items():
        key, inner = f"{above}{info.alias}", info.annotation
        if name in leave_out:
            continue
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from rows(inner, f"{key}.")
            continue
        if not info.description:
            raise ValueError(f"{model.__name__}.{name} has no description; give its Field one, for the page of settings is made from it")
        default = "needed" if info.is_required() else _written(info.get_default(call_default_factory=True))
        yield f"| `{key}` | {default} | {info.description} |"


def _written(default: Any) -> str:
    return "" if default in (None, "", {}, ()) else f"`{json.dumps(default) if isinstance(default, bool | tuple) else default}`"


def environment() -> Iterator[str]:
    """Yield the section on variables of the environment."""
    yield "## Variables of the environment\n\nIn pods the operator sets them; they matter to who runs a part outside Kubernetes ([store](../explanation/store.md#outside-kubernetes)).\n"
    yield from ("| variable | default | means |", "|---|---|---|")
    for part, rows in ENVIRONMENT.items():
        yield f"| **{part}** | | |"
        yield from (f"| `{name}` | {default} | {text} |" for name, default, text in rows)
    yield ""


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` say whether it is as it would be written."""
    return write_or_check({file(): page()}, arguments, "python -m commonweal_stacks.settings_page")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
