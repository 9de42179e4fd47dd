"""The smallest image: one static busybox. Sandboxes, volume set-up and add-on pods run in it."""

from __future__ import annotations

from pathlib import Path

from commonweal_local import machine
from commonweal_local.exceptions import LocalError
from commonweal_local.images import oci
from commonweal_local.shell import run

BASE_IMAGE = "localhost/base:1"


def write_base_image(archive: Path) -> Path:
    """Write the archive unless it is there."""
    if archive.exists():
        return archive
    box = machine.program("busybox")
    if box is None:
        raise LocalError("busybox is not installed", "`commonweal doctor --install` installs the Debian package busybox-static.")
    tree = oci.Tree()
    for directory in ("etc", "proc", "sys", "dev"):
        tree.directory(directory)
    tree.directory("tmp", mode=0o1777)
    tree.file("bin/busybox", Path(box).read_bytes(), mode=0o755)
    for applet in run(box, "--list").split():
        if applet != "busybox":
            tree.link(f"bin/{applet}", "busybox")
    tree.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    config = oci.Config(environment={"PATH": "/bin"}, command=("/bin/busybox", "sleep", "2000000000"))
    layer = archive.with_suffix(".layer")
    tree.write(layer)
    oci.write_archive(archive, BASE_IMAGE, [layer], config)
    for file in (layer, oci.beside(layer)):
        file.unlink()
    return archive
