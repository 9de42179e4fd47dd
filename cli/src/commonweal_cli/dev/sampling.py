"""A product's made-up rows as a file for other tools."""

from __future__ import annotations

import csv
from pathlib import Path

from commonweal_api import namespace_of
from commonweal_api.data_product import DataProductSpec
from commonweal_cli.dev.manifests import Manifests
from commonweal_cli.dev.places import Place
from commonweal_cli.dev.synthetic import Table, table
from commonweal_local.exceptions import LocalError


def write(found: Manifests, product: str, file: Path, seed: int) -> None:
    """Write the rows that a stack would make up. LocalError where the product is not there, or the file is of another kind."""
    department, _, name = product.partition("/")
    body = next((b for p, b in found.objects.items() if _is(p, department, name)), None)
    if body is None:
        known = [f"{p.namespace.removeprefix('dept-')}/{p.name}" for p in found.objects if p.plural == "dataproducts"]
        raise LocalError(f"There is no product {product}", f"Name one of {', '.join(known)}.")
    try:
        spec = DataProductSpec.model_validate(body["spec"])
    except ValueError as error:
        raise LocalError(f"{product} is invalid: {error}", "Correct its manifest.") from None
    made = table(namespace_of(department), name, spec, seed)
    writers = {".csv": _csv, ".parquet": _parquet}
    if file.suffix not in writers:
        raise LocalError(f"{file}: the kind of file is not known", f"End its name with {' or '.join(writers)}.")
    writers[file.suffix](made, file)


def _is(place: Place, department: str, name: str) -> bool:
    return (place.plural, place.namespace, place.name) == ("dataproducts", namespace_of(department), name)


def _csv(made: Table, file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow([c.name for c in made.columns])
        writer.writerows(["" if v is None else v for v in row] for row in made.rows)


def _parquet(made: Table, file: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - large, and for this alone
    from pyarrow import parquet  # noqa: PLC0415

    columns = {c.name: [row[i] for row in made.rows] for i, c in enumerate(made.columns)}
    parquet.write_table(pa.table(columns), file)
