"""A small DataProduct for tests that need no source."""

from __future__ import annotations

from typing import Any

from commonweal_api.data_product import DataProductSpec


def spec(*fields: dict[str, Any], **over: Any) -> DataProductSpec:
    """Return a specification with these fields."""
    return DataProductSpec.model_validate(
        {
            "title": "People",
            "version": "1.0.0",
            "class": "Person",
            "source": {"postgres": {"host": "heritage", "database": "heritage", "table": "person", "credentials": {"name": "heritage"}}},
            "subject": {"column": "ref"},
            "fields": list(fields),
            **over,
        }
    )
