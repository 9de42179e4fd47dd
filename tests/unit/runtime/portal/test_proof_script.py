"""The browser's own check of a proof: the same verdict as the server's, on true proofs and on every way to falsify one. Node runs the very script."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from commonweal_local.portal_assets.build import SOURCES
from commonweal_runtime.audit.merkle import Entry, Tree
from commonweal_runtime.audit.proofs import prove, veiled
from commonweal_runtime.audit.seals import Seal
from commonweal_runtime.portal.proving import verdict_of
from commonweal_runtime.seal_key import SealKey

KEY, OTHER_KEY = SealKey.of(b"k" * 32), SealKey.of(b"o" * 32)
PERSON, OTHER = "0b1de9ac-5f3c-8a7e-9d42-6a0c0e1f2a3b", "1b1de9ac-5f3c-8a7e-9d42-6a0c0e1f2a3b"
LARGE = 123456789012345678  # beyond what a JSON number holds exactly in a browser
_RUN = """
import { holds } from %s;
const cases = JSON.parse(await new Response(process.stdin).text());
const found = [];
for (const [proof, keys, people] of cases) found.push(await holds(proof, keys, people).catch(() => false));
console.log(JSON.stringify(found));
"""


def row(number: int, kind: str = "use") -> str:
    name = {"use": "id", "event": "seq"}[kind]
    return json.dumps(
        {name: number, "at": 1796066000.5, "subject": veiled(kind, number, UUID(PERSON))}, separators=(",", ":") if kind == "use" else None
    )


def proof(at: int, size: int, kind: str = "use", key: SealKey = KEY, number: int | None = None) -> dict[str, Any]:
    """Return the proof of one of `size` rows under one seal."""
    numbers = [n + 1 for n in range(size)]
    numbers[at] = number or numbers[at]
    entries = [Entry.of(kind, n, row(n, kind).encode()) for n in numbers]
    tree = Tree(b"".join(entry.raw for entry in entries))
    uses, events = (size, 0) if kind == "use" else (0, size)
    seal = Seal(3, "2026-11-30T19:00:00+00:00", "1:1:", uses, events, tree.root.hex(), "").signed(key)
    return prove({"kind": kind, "number": numbers[at], "row": row(numbers[at], kind), "seal": 3}, tree, seal)


def verdicts(cases: list[tuple[Any, Any, Any]]) -> list[bool]:
    """Return what the script says of proofs."""
    node = shutil.which("node")
    assert node, "install Node.js: the portal's style is compiled with it, too"
    script = _RUN % json.dumps(str(SOURCES / "proof.js"))
    ran = subprocess.run(
        [node, "--input-type=module", "--eval", script], input=json.dumps(cases), capture_output=True, text=True, timeout=60, check=True
    )
    found: list[bool] = json.loads(ran.stdout)
    return found


def test_true_proofs_hold_at_every_place_of_every_size() -> None:
    proofs = [proof(at, size) for size in (1, 2, 3, 5, 8, 13) for at in range(size)]
    proofs += [proof(1, 3, "event"), proof(2, 4, number=LARGE)]
    assert verdicts([(one, [KEY.jwk], [PERSON]) for one in proofs]) == [True] * len(proofs)
    assert all(verdict_of(one, [KEY.jwk], PERSON).holds for one in proofs)


def test_an_older_record_is_about_the_id_that_the_person_had() -> None:
    one = {**proof(1, 3), "former": [PERSON]}
    assert verdicts([(one, [KEY.jwk], [OTHER, PERSON])]) == [True]
    assert verdict_of(one, [KEY.jwk], OTHER).holds


FALSE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another row": lambda p: {**p, "row": p["row"].replace("1796066000.5", "1796066001.5")},
    "another number": lambda p: {**p, "number": "3"},
    "a number beside": lambda p: {**p, "number": str(LARGE + 1)},
    "another kind": lambda p: {**p, "kind": "event"},
    "another place": lambda p: {**p, "index": p["index"] + 1},
    "a place outside": lambda p: {**p, "index": p["size"]},
    "another size": lambda p: {**p, "size": p["size"] + 1},
    "a shorter path": lambda p: {**p, "path": p["path"][:-1]},
    "a longer path": lambda p: {**p, "path": [*p["path"], p["path"][0]]},
    "another path": lambda p: {**p, "path": ["0" * 64, *p["path"][1:]]},
    "another seal": lambda p: {**p, "seal": proof(0, 2)["seal"]},
    "a seal with another body": lambda p: {
        **p,
        "seal": ".".join([p["seal"].split(".")[0], proof(0, 2)["seal"].split(".")[1], p["seal"].split(".")[2]]),
    },
    "a seal of another key": lambda p: proof(1, 5, key=OTHER_KEY),
    "no seal": lambda p: {**p, "seal": ""},
    "a receipt's kind": lambda p: {**p, "seal": KEY.sign("consent-receipt+jws", {"root": "x"})},
}


@pytest.fixture(scope="module")
def false_verdicts() -> dict[str, bool]:
    made = {name: falsify(proof(1, 5, number=LARGE)) for name, falsify in FALSE.items()}
    return dict(zip(made, verdicts([(one, [KEY.jwk], [PERSON]) for one in made.values()]), strict=True))


@pytest.mark.parametrize("case", FALSE)
def test_false_proofs_hold_nowhere(case: str, false_verdicts: dict[str, bool]) -> None:
    assert not false_verdicts[case]
    assert not verdict_of(FALSE[case](proof(1, 5, number=LARGE)), [KEY.jwk], PERSON).holds


def test_a_record_of_another_person_does_not_hold() -> None:
    assert verdicts([(proof(1, 5), [KEY.jwk], [OTHER]), (proof(1, 5), [], [PERSON])]) == [False, False]
    assert not verdict_of(proof(1, 5), [KEY.jwk], OTHER).holds
    assert not verdict_of(proof(1, 5), [], PERSON).holds
    assert not verdict_of(None, [KEY.jwk], PERSON).holds
