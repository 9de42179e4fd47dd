"""Asks `datacontract breaking` about pairs of contracts. Run by the oracle's own Python, which knows nothing of ours: one JSON pair a line in, findings out.

Started as a program this is the far side; imported it gives `Oracle`, the near side.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = REPOSITORY / ".venv" / "oracle" / "bin" / "python"


class Oracle:
    """One process that answers as many pairs as it is asked."""

    def __enter__(self) -> Self:
        command = [str(PYTHON), str(Path(__file__).resolve())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=20)

    def errors(self, old: str, new: str) -> list[tuple[str, str]]:
        """Return rule and path of all that breaks a consumer between two contracts in YAML."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([old, new]) + "\n")
        self._process.stdin.flush()
        return [(rule, path) for rule, path in json.loads(self._process.stdout.readline())]


def _answer(old: str, new: str) -> list[Any]:
    # Only the oracle's Python has these. The contracts are given parsed: compiling the standard's schema for each would take most of the time.
    from datacontract.data_contract import DataContract
    from open_data_contract_standard.model import OpenDataContractStandard

    before, after = (DataContract(data_contract=OpenDataContractStandard.from_string(text)) for text in (old, new))
    result = before.breaking(after)
    return [[entry.rule_id, entry.path] for entry in result.entries if entry.level.value == "error"]


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(*json.loads(line))) + "\n")
        sys.stdout.flush()
