"""Department: a public body. Cluster-scoped; owns one namespace on each site it uses."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field as P
from pydantic import StringConstraints

from commonweal_api.common import LAST_COLUMNS, READY_COLUMNS, Kind, Meta, Status, Strict, cel, validations

Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", min_length=1, max_length=9)]


class Quota(Strict):
    """What the department may use of the site; it becomes a ResourceQuota."""

    cpu: Quantity = P(default="4", description="Processor cores that its pods may ask for.")
    memory: Quantity = P(default="4Gi", description="Memory that its pods may ask for.")
    storage: Quantity = P(default="20Gi", description="Volume space that its claims may ask for.")
    objects: int = P(default=100, ge=1, le=1000, strict=True, description="Most objects of each Commonweal kind.")


class Store(Strict):
    """The department's PostgreSQL."""

    size: Quantity = P(
        default="1Gi",
        description="Size of the volume.",
        json_schema_extra=validations(
            cel(
                "self == oldSelf",
                "spec.store.size: cannot be changed here: a volume is not shrunk, and growing it depends on the storage class. Grow the PersistentVolumeClaim instead.",
            )
        ),
    )


class DepartmentSpec(Strict):
    display_name: str = P(min_length=1, max_length=120, description="Name shown to people.")
    contact: Annotated[str, StringConstraints(pattern=r"^(mailto:|https://).+$", min_length=9, max_length=200)] = P(
        description="Where a person asks or complains: mailto: or https:."
    )
    quota: Quota = P(default_factory=Quota)
    store: Store = P(default_factory=Store)


class DepartmentStatus(Status):
    namespace: str | None = P(default=None, max_length=63, description="Where its objects live, on every site.")
    data_api: str | None = P(default=None, max_length=300, description="Base URL of the data API.")
    models: str | None = P(default=None, max_length=300, description="Base URL of the model runtime.")


class Department(Kind):
    """A public body."""

    plural: ClassVar[str] = "departments"
    singular: ClassVar[str] = "department"
    short_names: ClassVar[tuple[str, ...]] = ("dept",)
    namespaced: ClassVar[bool] = False
    columns: ClassVar[tuple[dict[str, Any], ...]] = (
        *READY_COLUMNS,
        {"name": "Data API", "type": "string", "jsonPath": ".status.dataApi"},
        *LAST_COLUMNS,
    )

    kind: Literal["Department"] = "Department"
    metadata: Meta
    spec: DepartmentSpec
    status: DepartmentStatus = P(default_factory=DepartmentStatus)
