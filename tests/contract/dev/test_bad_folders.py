"""What cannot be begun says what to do, and begins nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonweal_cli.dev.layout import STATE
from support.dev import DEPARTMENT, Dev, place, run, small


@pytest.fixture
def folder() -> Path:
    return small(place("folder"))


def refused(folder: Path, *words: str) -> str:
    ended = run(folder, *words)
    assert ended.returncode == 1
    assert not (folder / STATE).exists()
    return ended.stderr


def test_a_folder_without_manifests(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    said = refused(folder)
    assert "there is no manifest of a Department" in said
    assert "examples/start-a-business" in said


def test_one_object_in_two_files(folder: Path) -> None:
    (folder / "again.yaml").write_text(DEPARTMENT)
    said = refused(folder)
    assert "Department library stands twice, in again.yaml and department.yaml" in said
    assert "Remove one of the two" in said


def test_a_file_that_is_no_yaml(folder: Path) -> None:
    (folder / "broken.yaml").write_text("a: [")
    assert "broken.yaml: is no YAML" in refused(folder)


def test_a_namespace_that_is_no_departments(folder: Path) -> None:
    (folder / "product.yaml").write_text((folder / "product.yaml").read_text().replace("dept-library", "default"))
    said = refused(folder)
    assert "metadata.namespace of DataProduct loans is default" in said


def test_a_postgresql_that_is_too_old(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "postgres"
    old.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 12.4'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said = refused(folder)
    assert "postgres (PostgreSQL) 12.4 is too old" in said
    assert "Install PostgreSQL 15 or later" in said


def test_a_manifest_that_is_refused_is_said_with_its_field_and_another_kind_once(folder: Path) -> None:
    (folder / "product.yaml").write_text((folder / "product.yaml").read_text().replace("version: 1.0.0", "version: one"))
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: dept-library}}\n")
    with Dev(folder) as dev:
        dev.until("the refusal", lambda: "refused: DataProduct" in dev.said)
        dev.ready()
        assert "spec.version" in dev.said
        assert dev.said.count("Service (") == 1
        assert dev.stack.items("dataproducts") == []
