"""A department that was founded before the first release: its store as e0dec75 left it, with what people had said by then and what had been read.

`store-e0dec75.sql` is what pg_dumpall of PostgreSQL 15 wrote of a store that e0dec75's own keeper had filled by `plan_then`. Of the people below each
had said what their name says about the agreement `yes`; the parent, whom the registrar had recorded, spoke for the child. All of them had been read by
`yes`, one by each agreement, and everything was sealed.

Left out are comments and the statements that make the superuser and the two databases, which every server of ours has. It begins by bringing the server's
transaction numbers past those of the rows, as a copy of the directory would have them. It ends with what pg_dumpall does not write: rights taken from PUBLIC
on PostgreSQL's own databases and on information_schema. One `between` is written as it was, for PostgreSQL does not read its own text of it back alike.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from commonweal_api.plan import StorePlan
from commonweal_runtime.store.postgres import binary
from support.data_api import agreement, person_product, plan, subject, visit_product
from support.postgres import HeritageServer, StoreServer

DUMP = Path(__file__).parents[1] / "fixtures" / "store-e0dec75.sql"
GIVEN, WITHDRAWN, OBJECTED, ERASED, CHILD, PARENT = map(subject, ("P1", "P2", "P3", "P4", "P10", "P11"))
RENEWED = subject("P5")


def plan_then(heritage: HeritageServer) -> StorePlan:
    """Return the plan of that time. Only the port of the source may differ from then."""
    listed = agreement("Consent", fields=["fullName", "area"])
    listed["subjects"]["delegation"] = ["Parent"]
    agreements: dict[str, dict[str, Any]] = {
        "yes": listed,
        "task": agreement("PublicTask", product="visits", consumer="health", fields=["kind"]),
        "seldom": agreement(
            "RecognisedLegitimateInterest", fields=["score"], limits={"maxRows": 10, "requests": {"max": 50, "seconds": 86400}}
        ),
    }
    products = {
        "people": person_product(heritage, rights={"erasure": "Supported"}),
        "visits": visit_product(heritage, serve={"refreshSeconds": 5, "auditDurability": "Strict"}),
    }
    return plan(products, agreements).model_copy(update={"registrars": ["desk"]})


def restore(server: StoreServer) -> None:
    """Fill an empty server with the store of that time."""
    where = ["-h", str(server.sockets), "-p", str(server.port), "-U", "postgres", "-d", "postgres"]
    subprocess.run(
        [binary("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *where],
        input=DUMP.read_bytes(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
