"""What others read instead of our kinds, as ConfigMaps beside the object that they are made from, and gone with it. They enforce nothing."""

from __future__ import annotations

from collections.abc import Mapping

from commonweal_operator.desired.manifest import Child, Owner, child

CONTRACT, AGREEMENT = "contract-", "agreement-"
LARGEST = 900_000  # bytes of all documents of one object together; a ConfigMap holds 1 MiB
LEFT_OUT = "left-out.txt"


def contract(owner: Owner, files: Mapping[str, str]) -> Child:
    """Return the ConfigMap with the documents of a product."""
    return _documents(owner, CONTRACT, files)


def agreement(owner: Owner, files: Mapping[str, str]) -> Child:
    """Return the ConfigMap with the documents of an agreement."""
    return _documents(owner, AGREEMENT, files)


def bounded(files: Mapping[str, str]) -> dict[str, str]:
    """Return the documents in their order as long as they fit; `left-out.txt` names the others."""
    kept, left, size = {}, [], 0
    for name, text in files.items():
        bytes_ = len(text.encode())
        if size + bytes_ > LARGEST:
            left.append(name)
        else:
            kept[name], size = text, size + bytes_
    return kept | ({LEFT_OUT: f"Too large for a ConfigMap: {', '.join(left)}\n"} if left else {})


def _documents(owner: Owner, prefix: str, files: Mapping[str, str]) -> Child:
    return child("ConfigMap", owner.metadata(f"{prefix}{owner.name}"), data=bounded(files))
