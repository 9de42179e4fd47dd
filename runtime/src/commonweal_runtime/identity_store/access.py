"""Who comes into the issuer's store, and as what. Pure."""

from __future__ import annotations

import hashlib
import hmac

from commonweal_runtime.store.logins import scram_verifier

ROLE = "identity"  # and the name of its database
# One program of a few connections: sessions, links and preferences of one site's people, of some hundred bytes each.
SETTINGS = {
    "max_connections": "40",
    "shared_buffers": "'16MB'",
    "effective_cache_size": "'64MB'",
    "work_mem": "'1MB'",
    "maintenance_work_mem": "'16MB'",
    "wal_buffers": "'1MB'",
    "max_wal_size": "'128MB'",
}


def access(*, encrypted: bool) -> str:
    """Return the access rules: the superuser over the socket, the one role over TLS; without a certificate from this machine alone, in the clear."""
    come = f"hostssl  {ROLE}  {ROLE}  all  scram-sha-256" if encrypted else f"host  {ROLE}  {ROLE}  127.0.0.1/32  scram-sha-256"
    return f"""\
# Written at each start. The superuser comes in over the socket of this container only.
local  all  postgres  trust
local  all  all       reject
{come}
host   all  all  all  reject
"""


def statements(key: bytes) -> list[str]:
    """Return what makes the role and its database be as they are to be, whatever they were: the same each time. The password is the key's hexadecimal digits.

    The password stands in none of them: PostgreSQL is given what it checks one by.
    """
    salt = hmac.digest(key, f"salt:{ROLE}".encode(), hashlib.sha256)[:16]
    return [
        f"do $$ begin if not exists (select from pg_roles where rolname = '{ROLE}') then create role {ROLE}; end if; end $$;",
        (
            f"alter role {ROLE} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls connection limit 30"
            f" password '{scram_verifier(key.hex(), salt)}';"
        ),
        f"alter database {ROLE} owner to {ROLE};",
        f"revoke all on database {ROLE} from public;",
        "revoke all on schema public from public;",
    ]
