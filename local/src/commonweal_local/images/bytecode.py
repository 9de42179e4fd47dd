"""Precompiled Python in a layer, so that pods start fast although their file systems are read-only."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from pathlib import PurePosixPath

from commonweal_local.images.oci import Tree

UNCHECKED_HASH = (1).to_bytes(4, "little")
# Version 2 writes no references between equal objects. Those depend on what else the process had in memory, so the same source
# would not always give the same bytes.
MARSHAL_VERSION = 2


def matches(python: str) -> bool:
    """Whether bytecode made here suits that version ("3.11") of CPython."""
    return sys.implementation.name == "cpython" and python == f"{sys.version_info.major}.{sys.version_info.minor}"


def compile_tree(tree: Tree, python: str) -> None:
    """Add bytecode for every module of the layer; skipped where this interpreter's bytecode is not the image's."""
    if not matches(python):
        return
    for path, source in tree.files().items():
        if path.endswith(".py"):
            code = bytecode(source, "/" + path)
            if code is not None:
                tree.file(_cached(path), code)


def bytecode(source: bytes, path: str) -> bytes | None:
    """The content of a .pyc that Python takes without looking at the source; None for files that are not valid Python."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return None
    header = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    return header + marshal.dumps(code, MARSHAL_VERSION)


def _cached(path: str) -> str:
    file = PurePosixPath(path)
    return str(file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.pyc")
