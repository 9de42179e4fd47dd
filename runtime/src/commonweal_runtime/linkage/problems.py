"""How linkage says no, beyond what every read may answer."""

from __future__ import annotations

from commonweal_runtime.exceptions import ProblemError


def no_linkage() -> ProblemError:
    return ProblemError(
        403,
        "LinkageNotAgreed",
        "Linkage not agreed",
        "The agreement does not let this client read by references of its own.",
        "Have spec.linkage added to the agreement; both departments sign it again.",
    )
