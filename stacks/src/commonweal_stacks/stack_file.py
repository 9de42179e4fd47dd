"""What a stack's settings are: those of its configuration, else those of the stack file beside the program.

`commonweal site up` and `commonweal site env` keep what belongs to one machine (salt and secrets) in a configuration file of its own, so that the
committed stack file is read and never written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import yaml

from commonweal_stacks.site import stack_file


def setting(key: str, stack: str) -> Any:
    """Return the value under a key (`commonweal:site`), None when it is set nowhere."""
    found = pulumi.runtime.get_config(key)
    if found is None:
        return committed(Path(pulumi.runtime.get_root_directory() or "."), stack).get(key)
    try:
        return json.loads(found)
    except ValueError:  # a plain text
        return found


def committed(project: Path, stack: str) -> dict[str, Any]:
    """Return the configuration in the stack file of a project; empty when there is no file, or no mapping in it."""
    try:
        read = yaml.safe_load((project / stack_file(stack)).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    config = read.get("config") if isinstance(read, dict) else None
    return dict(config) if isinstance(config, dict) else {}
