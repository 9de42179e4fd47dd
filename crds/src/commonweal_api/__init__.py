"""The public API of Commonweal: four kinds in `commonweal.dev/v1alpha1`, and the plans that the operator hands to the data plane.

Needs cryptography, pydantic and pyyaml only. Everything here is pure data and pure functions.
"""

from commonweal_api.common import GROUP, VERSION, Condition, Meta, Strict, condition_of, department_at, namespace_of, platform_namespace_of
from commonweal_api.consent_policy import (
    Basis,
    BasisType,
    ConsentPolicy,
    ConsentPolicySpec,
    ConsentPolicyStatus,
    Consumer,
    Limits,
    Purpose,
    Subjects,
)
from commonweal_api.data_product import (
    Answer,
    CsvSource,
    DataProduct,
    DataProductSpec,
    DataProductStatus,
    EarlierVersion,
    ExcelSource,
    HttpSource,
    Mask,
    MaskKind,
    MysqlSource,
    ParquetSource,
    PostgresSource,
    ProductField,
    Source,
    Subject,
)
from commonweal_api.department import Department, DepartmentSpec, DepartmentStatus
from commonweal_api.jwk import Jwk
from commonweal_api.model_service import Caller, Feature, Learning, ModelService, ModelServiceSpec, ModelServiceStatus
from commonweal_api.negotiation import Negotiation, Signature, WhatIf
from commonweal_api.rights import RIGHTS, Rights

KINDS = (Department, DataProduct, ConsentPolicy, ModelService)

__all__ = [
    "GROUP",
    "KINDS",
    "RIGHTS",
    "VERSION",
    "Answer",
    "Basis",
    "BasisType",
    "Caller",
    "Condition",
    "ConsentPolicy",
    "ConsentPolicySpec",
    "ConsentPolicyStatus",
    "Consumer",
    "CsvSource",
    "DataProduct",
    "DataProductSpec",
    "DataProductStatus",
    "Department",
    "DepartmentSpec",
    "DepartmentStatus",
    "EarlierVersion",
    "ExcelSource",
    "Feature",
    "HttpSource",
    "Jwk",
    "Learning",
    "Limits",
    "Mask",
    "MaskKind",
    "Meta",
    "ModelService",
    "ModelServiceSpec",
    "ModelServiceStatus",
    "MysqlSource",
    "Negotiation",
    "ParquetSource",
    "PostgresSource",
    "ProductField",
    "Purpose",
    "Rights",
    "Signature",
    "Source",
    "Strict",
    "Subject",
    "Subjects",
    "WhatIf",
    "condition_of",
    "department_at",
    "namespace_of",
    "platform_namespace_of",
]
