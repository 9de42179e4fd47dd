"""The issuer put together from its environment."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.app import Desk, create
from commonweal_runtime.identity.clients import read_clients
from commonweal_runtime.identity.issue import Issuer
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.serving import Application, Front, start_log
from commonweal_runtime.store.logins import read_key


def application() -> Application:
    """Return the application that the environment describes."""
    start_log()
    return Front(create(desk_of(os.environ)))


def desk_of(env: Mapping[str, str]) -> Desk:
    """Return the desk.

    COMMONWEAL_ISSUER is the issuer's own address; COMMONWEAL_SECTORS_DIR holds `master`; COMMONWEAL_PEOPLE is people.json, beside which
    clients.json may lie; COMMONWEAL_SIGNING_KEY is a PEM file, without which the key is derived from `master`.
    """
    key_file = env.get("COMMONWEAL_SIGNING_KEY")
    people = Path(env.get("COMMONWEAL_PEOPLE", "/etc/commonweal/people/people.json"))
    master = read_key(Path(env.get("COMMONWEAL_SECTORS_DIR", "/etc/commonweal/sectors")), "master")
    key = SigningKey.read(Path(key_file)) if key_file else SigningKey.derived(master)
    issuer = Issuer(env["COMMONWEAL_ISSUER"].rstrip("/"), key, master, time.time)
    return Desk.of(issuer, Accounts(people), read_clients(people.with_name("clients.json")), time.time)
