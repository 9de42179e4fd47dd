"""`python -m commonweal_local.portal_assets FOLDER`: compile the portal's style and script into FOLDER, for an image that another program builds."""

from __future__ import annotations

import shutil
import sys

from commonweal_local.portal_assets.build import assets
from commonweal_local.progress import Progress


def main(arguments: list[str]) -> int:
    """Write the folder; 2 for anything but one argument."""
    if len(arguments) != 1:
        print("usage: python -m commonweal_local.portal_assets FOLDER", file=sys.stderr)
        return 2
    shutil.copytree(assets(Progress()), arguments[0], dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
