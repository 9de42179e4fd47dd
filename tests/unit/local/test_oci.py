"""Images written without an image tool."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from commonweal_local.exceptions import LocalError
from commonweal_local.images import oci
from commonweal_local.images.containers import reference_of

NAME = "localhost/commonweal/runtime:0123456789abcdef"
CONFIG = oci.Config(environment={"A": "1"}, command=("run",), user="10001:10001")


def tree(*paths: str) -> oci.Tree:
    made = oci.Tree()
    for path in paths:
        made.file(path, path.encode(), mode=0o755)
    made.link("bin", "usr/bin")
    return made


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}


def test_equal_files_make_equal_layers_whatever_the_order(tmp_path: Path) -> None:
    one = tree("usr/bin/a", "usr/bin/b").write(tmp_path / "1")
    other = tree("usr/bin/b", "usr/bin/a").write(tmp_path / "2")
    assert one.read_bytes() == other.read_bytes()


def test_one_changed_byte_changes_the_digest_of_the_image(tmp_path: Path) -> None:
    before, after = tree("a"), tree("a")
    after.file("a", b"A", mode=0o755)
    digests = {oci.digest_of([made.write(tmp_path / "layer")], CONFIG) for made in (before, after, tree("a"))}
    assert len(digests) == 2


def test_the_digest_of_a_layer_is_found_once_for_each_content(tmp_path: Path) -> None:
    """What lies beside a layer is what its content has; another layer under its name is looked at anew."""
    layer = tree("a").write(tmp_path / "layer")
    before = oci.digest_of([layer], CONFIG)
    assert oci.beside(layer).read_text() == "sha256:" + hashlib.sha256(gzip.decompress(layer.read_bytes())).hexdigest()
    layer.write_bytes(b"not looked at")
    assert oci.digest_of([layer], CONFIG) == before
    tree("b").write(layer)
    assert oci.digest_of([layer], CONFIG) != before


def test_a_changed_setting_changes_the_digest_of_the_image(tmp_path: Path) -> None:
    layer = tree("a").write(tmp_path / "layer")
    assert oci.digest_of([layer], CONFIG) != oci.digest_of([layer], oci.Config(user="0"))


def test_every_digest_in_an_archive_is_true(tmp_path: Path) -> None:
    layers = [tree("a").write(tmp_path / "1"), tree("b").write(tmp_path / "2")]
    held = members(oci.write_archive(tmp_path / "image.tar", NAME, layers, CONFIG))
    for name, content in held.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"

    def blob(descriptor: dict[str, Any]) -> bytes:
        content = held["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(content) == descriptor["size"]
        return content

    manifest = json.loads(blob(json.loads(held["index.json"])["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    unpacked = ["sha256:" + hashlib.sha256(gzip.decompress(blob(layer))).hexdigest() for layer in manifest["layers"]]
    assert unpacked == config["rootfs"]["diff_ids"]
    assert config["config"]["User"] == "10001:10001"


def test_two_archives_of_the_same_image_are_equal_in_every_byte(tmp_path: Path) -> None:
    archives = []
    for turn in ("1", "2"):
        layer = tree("a", "b").write(tmp_path / turn / "layer")
        archives.append(oci.write_archive(tmp_path / turn / "image.tar", NAME, [layer], CONFIG).read_bytes())
    assert archives[0] == archives[1]


def test_files_belong_to_root_and_directories_above_them_are_there(tmp_path: Path) -> None:
    layer = tree("usr/bin/a").write(tmp_path / "layer")
    with tarfile.open(layer) as tar:
        found = {member.name: (member.uid, member.gid, member.mtime, member.isdir()) for member in tar}
    assert found == {"bin": (0, 0, 0, False), "usr": (0, 0, 0, True), "usr/bin": (0, 0, 0, True), "usr/bin/a": (0, 0, 0, False)}


def test_the_archive_knows_its_own_name(tmp_path: Path) -> None:
    archive = oci.write_archive(tmp_path / "image.tar", NAME, [tree("a").write(tmp_path / "layer")], CONFIG)
    assert reference_of(archive) == NAME


def test_a_file_that_is_no_archive_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"not a tar")
    with pytest.raises(LocalError, match="commonweal images"):
        reference_of(tmp_path / "x.tar")


def test_bytecode_and_links_of_a_copied_directory(tmp_path: Path) -> None:
    (tmp_path / "p" / "__pycache__").mkdir(parents=True)
    (tmp_path / "p" / "__pycache__" / "m.pyc").write_bytes(b"x")
    (tmp_path / "p" / "m.py").write_bytes(b"pass")
    (tmp_path / "p" / "link").symlink_to("m.py")
    copied = oci.Tree()
    copied.add_directory_tree(tmp_path, "opt")
    assert copied.files() == {"opt/p/m.py": b"pass"}
    assert "opt/p/link" in copied
