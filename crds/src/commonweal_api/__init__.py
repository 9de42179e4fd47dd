"""The public API of Commonweal: four kinds in `commonweal.dev/v1alpha1`, and the plans that the operator hands to the data plane.

Needs pydantic and pyyaml only. Everything here is pure data and pure functions.
"""

from commonweal_api.common import GROUP, VERSION, Condition, Meta, Strict, condition_of, namespace_of
from commonweal_api.consent_policy import (
    Basis,
    BasisType,
    ConsentPolicy,
    ConsentPolicySpec,
    ConsentPolicyStatus,
    Consumer,
    Purpose,
    Subjects,
)
from commonweal_api.data_product import (
    DataProduct,
    DataProductSpec,
    DataProductStatus,
    Field,
    Mask,
    MaskKind,
    PostgresSource,
    Source,
    Subject,
)
from commonweal_api.department import Department, DepartmentSpec, DepartmentStatus
from commonweal_api.model_service import Caller, Feature, Learning, ModelService, ModelServiceSpec, ModelServiceStatus

KINDS = (Department, DataProduct, ConsentPolicy, ModelService)

__all__ = [
    "GROUP",
    "KINDS",
    "VERSION",
    "Basis",
    "BasisType",
    "Caller",
    "Condition",
    "ConsentPolicy",
    "ConsentPolicySpec",
    "ConsentPolicyStatus",
    "Consumer",
    "DataProduct",
    "DataProductSpec",
    "DataProductStatus",
    "Department",
    "DepartmentSpec",
    "DepartmentStatus",
    "Feature",
    "Field",
    "Learning",
    "Mask",
    "MaskKind",
    "Meta",
    "ModelService",
    "ModelServiceSpec",
    "ModelServiceStatus",
    "PostgresSource",
    "Purpose",
    "Source",
    "Strict",
    "Subject",
    "Subjects",
    "condition_of",
    "namespace_of",
]
