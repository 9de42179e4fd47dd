"""What Pulumi has written of real sites and of their management cluster: no key of anything, in clear text."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from commonweal_cli.demo import bring_up
from commonweal_cli.site.stack import kept_secret, root
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.management_access import management_file

pytestmark = pytest.mark.sites


def keys_of(kubeconfig: Path) -> Iterator[str]:
    """Yield what makes its bearer an administrator, as the file has it and as the key's own file would."""
    for entry in yaml.safe_load(kubeconfig.read_text())["users"]:
        user = entry["user"]
        if encoded := user.get("client-key-data"):
            yield encoded[:80]
            yield b64decode(encoded).decode().splitlines()[1]
        if token := user.get("token"):
            yield token


def test_no_key_lies_in_pulumis_state_in_clear_text(brought: bring_up.Brought) -> None:
    sites = [cluster.kubeconfig for cluster in brought.clusters]
    made = [
        kept_secret(name).read_text()
        for name in ("passphrase", "sectors-master", "site-authority", *(f"site-key-{c.name}" for c in brought.clusters))
    ]
    keys = [*made, *(key for file in (*sites, management_file()) for key in keys_of(file))]
    own = {kept_secret(name) for name in ("passphrase", "sectors-master", "site-authority")} | set(root().glob("*-key-*"))
    written = {file: file.read_text(errors="replace") for file in root().rglob("*") if file.is_file() and file not in own}

    assert len(keys) >= 2 * len(sites) + len(made)
    assert any(cluster_uid(sites[0].read_text(), site="onprem") in text for text in written.values())
    assert [(file.name, key[:6]) for file, text in written.items() for key in keys if key in text] == []
