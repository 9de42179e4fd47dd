"""What `commonweal product accept-loss` writes, and when it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from commonweal_cli.product import accept
from commonweal_local.exceptions import LocalError

LOSS, OTHER = "0123456789abcdef", "fedcba9876543210"


class Site:
    """One DataProduct, and the patches that were made."""

    def __init__(self, *conditions: dict[str, str]) -> None:
        self.patches: list[tuple[object, ...]] = []
        self._product = {"status": {"conditions": list(conditions)}}

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        assert (kind, name, namespace) == ("dataproduct", "people", "dept-health")
        return self._product

    def patch(self, *what: object) -> None:
        self.patches.append(what)


def refused(message: str) -> dict[str, str]:
    return {"type": "Loaded", "status": "False", "reason": "LossRefused", "message": message}


def test_the_loss_that_the_product_waits_for_is_accepted() -> None:
    site = Site(
        {"type": "Serving", "reason": "Serving"}, refused(f"commonweal product accept-loss people --loss {LOSS} If the loss is meant.")
    )
    accept(site, "people", "dept-health", LOSS)  # type: ignore[arg-type] # as much of a cluster as it asks for
    assert site.patches == [("dataproduct", "people", "dept-health", {"spec": {"serve": {"acceptLoss": LOSS}}})]


@pytest.mark.parametrize("conditions", [(), (refused(f"commonweal product accept-loss people --loss {OTHER}"),)])
def test_any_other_loss_is_not(conditions: tuple[dict[str, str], ...]) -> None:
    site = Site(*conditions)
    with pytest.raises(LocalError, match=f"does not wait for the loss {LOSS}"):
        accept(site, "people", "dept-health", LOSS)  # type: ignore[arg-type]
    assert site.patches == []
