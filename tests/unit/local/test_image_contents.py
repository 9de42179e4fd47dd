"""What goes into the images: Debian files, bytecode, pinned wheels."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from commonweal_local.exceptions import LocalError
from commonweal_local.images import builder, bytecode, packages, wheels
from commonweal_local.images.archives import archive_of
from commonweal_local.images.oci import Tree

APT_CACHE = """#!/bin/sh
case "$*" in
*server) printf 'server\\n  Depends: libfirst\\n |Depends: libchosen\\n  Depends: libother\\n  Depends: perl\\n  Depends: <virtual>\\n';;
*libthird) printf 'libthird\\n  PreDepends: libfirst\\n';;
*) printf 'libchosen\\n  Depends: libthird:amd64\\nlibfirst\\n';;
esac
"""


@pytest.mark.parametrize(
    ("path", "becomes"), [("bin/dash", "usr/bin/dash"), ("lib64/ld.so", "usr/lib64/ld.so"), ("usr/bin/x", "usr/bin/x"), ("etc/x/", "etc/x")]
)
def test_paths_follow_the_merged_layout(path: str, becomes: str) -> None:
    assert packages.merged(path) == becomes


@pytest.mark.parametrize(
    "path",
    [
        "usr/share/doc/x/copyright",
        "usr/share/locale/de/x.mo",
        "usr/include/x.h",
        "usr/lib/postgresql/15/lib/llvmjit.so",
        "usr/lib/postgresql/15/lib/bitcode/x.bc",
        "usr/lib/python3.11/test/support.py",
    ],
)
def test_what_no_program_needs_is_left_out(path: str) -> None:
    assert packages.DROPPED.match(path)


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/postgresql/15/lib/pgcrypto.so",
        "usr/lib/postgresql/15/bin/initdb",
        "usr/share/postgresql/15/extension/postgres_fdw.control",
        "usr/lib/python3.11/unittest/case.py",
        "usr/share/zoneinfo/Europe/London",
        "usr/lib/locale/C.utf8/LC_CTYPE",
    ],
)
def test_what_programs_need_is_kept(path: str) -> None:
    assert not packages.DROPPED.match(path)


def test_needed_packages_are_followed_to_the_end_taking_first_alternatives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apt-cache").write_text(APT_CACHE)
    (tmp_path / "apt-cache").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert packages.closure(["server"]) == ["libchosen", "libfirst", "libthird", "server"]


def test_python_takes_the_bytecode_without_looking_at_the_source(tmp_path: Path) -> None:
    code = bytecode.bytecode(b"ANSWER = 42\n", "/opt/answer.py")
    assert code is not None
    cached = tmp_path / "__pycache__" / f"answer.{sys.implementation.cache_tag}.pyc"
    cached.parent.mkdir()
    cached.write_bytes(code)
    (tmp_path / "answer.py").write_text("ANSWER = 'the source was read'\n")
    said = subprocess.run(
        [sys.executable, "-c", "import answer; print(answer.ANSWER)"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout == "42\n"


def test_bytecode_does_not_depend_on_what_else_is_in_memory() -> None:
    source = b"def f(first_unusual_name):\n    return first_unusual_name, 'first_unusual_text', {'a', 'b', 'c'}\n"
    program = f"import sys; from commonweal_local.images.bytecode import bytecode; sys.stdout.buffer.write(bytecode({source!r}, '/f.py'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", prelude + program], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for prelude, seed in (("", "1"), ("first_unusual_name = 'first_unusual_text'; held = ['/f.py', first_unusual_name];", "2"))
    }
    assert len(outputs) == 1
    assert marshal.loads(outputs.pop()[16:]).co_filename == "/f.py"


def test_a_file_that_is_not_valid_python_is_left_to_its_source() -> None:
    assert bytecode.bytecode(b"print 'old'\n", "/old.py") is None


def test_bytecode_of_another_python_is_not_written() -> None:
    tree = Tree()
    tree.file("a.py", b"pass\n")
    bytecode.compile_tree(tree, "2.7")
    assert list(tree.files()) == ["a.py"]


def test_wheels_are_pinned_to_what_is_installed_here_with_all_that_they_need() -> None:
    pins = wheels.pins(["aiohttp>=3", "pyjwt[crypto]>=2"])
    assert f"aiohttp=={metadata.version('aiohttp')}" in pins
    assert f"multidict=={metadata.version('multidict')}" in pins
    assert f"cryptography=={metadata.version('cryptography')}" in pins
    assert not any(pin.startswith("pytest") for pin in pins)


@pytest.mark.parametrize("path", ["bin/tool", "a/tests/x.py", "a-1.dist-info/RECORD", "a/b.pyi"])
def test_of_wheels_what_differs_between_machines_or_serves_nobody_is_left_out(path: str) -> None:
    assert wheels.DROPPED.search(path)


@pytest.mark.parametrize(
    "path", ["a/__init__.py", "a-1.dist-info/METADATA", "a-1.dist-info/entry_points.txt", "a/testing.py", "a/_c.abi3.so"]
)
def test_of_wheels_what_programs_look_at_is_kept(path: str) -> None:
    assert not wheels.DROPPED.search(path)


def test_a_requirement_that_is_not_installed_says_how_to_install_it() -> None:
    with pytest.raises(LocalError, match=r"no-such-package is not installed.*make venv"):
        wheels.pins(["no-such-package"])


def test_asking_for_images_that_were_never_built_says_how_to_build_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONWEAL_HOME", str(tmp_path))
    monkeypatch.setenv("COMMONWEAL_CACHE", str(tmp_path))
    with pytest.raises(LocalError, match="commonweal images"):
        builder.built()
    with pytest.raises(LocalError, match="commonweal images"):
        archive_of("localhost/commonweal/store:0123")
