"""All that is read of a source without a login, as the load gets it."""

from __future__ import annotations

from collections.abc import Callable

from commonweal_api.data_product import DataProductSpec
from commonweal_runtime.store.sources import Batch, Survey, open_source


async def batches(
    spec: DataProductSpec, after: str | None = None, between: Callable[[], object] | None = None
) -> tuple[Survey, list[Batch]]:
    """Read all after a position, with something that happens once the first batch is read."""
    async with open_source(spec, None) as source:
        survey, found = await source.inspect(), []
        async for batch in source.batches(after):
            if not found and between is not None:
                between()
            found.append(batch)
        await source.verify()
    return survey, found
