"""Checks an export of the audit against its own seals: chain, signatures, every entry, every row, every contract. Asks nobody but the key ring.

An export is lines of JSON, in this order: for each seal its line (`seal`: JWS and entries) and the rows that lie under it now (`use`, `event`: the
row's bytes as text); then every `contract`, then `end`. A finding names its row by kind and number, and the seal that it is, or should be, under.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from commonweal_runtime.audit.merkle import EVENT, USE, Entry, entries_of, root_of
from commonweal_runtime.audit.seals import FIRST, Seal, hash_of
from commonweal_runtime.exceptions import SignatureError
from commonweal_runtime.seal_key import KeyRing

_NO_TERMS = "-"  # what an event of a withdrawn agreement's sweep carries
MOST_FINDINGS = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was sealed. `what` names it: `use 12`, `event 5`, `seal 3`, `contract …`."""

    what: str
    seal: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.what}{'' if self.seal is None else f' (seal {self.seal})'}: {self.text}"


@dataclass(slots=True)
class Outcome:
    """What a check came to. `newest` is the last seal whose signature holds, as signed text."""

    findings: list[Finding] = field(default_factory=list)
    seals: int = 0
    uses: int = 0
    events: int = 0
    unsealed: int = 0
    newest: str = ""
    newest_at: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything is as it was sealed."""
        return not self.findings


class Verifier:
    """Takes an export line by line and keeps one window in memory."""

    def __init__(self, keys: KeyRing, anchor: str | None = None) -> None:
        self.outcome = Outcome()
        self._keys, self._anchor = keys, anchor
        self._last, self._jws = FIRST, ""
        self._left: dict[tuple[str, int], bytes] = {}  # entries of the open window whose rows have not come yet
        self._terms: dict[str, tuple[str, int]] = {}  # contract hash -> a row that names it, and its seal
        self._hashes: set[str] = {""}  # of events, in the people's chains
        self._followed: dict[str, int] = {}
        self._ended = False

    def take(self, line: Mapping[str, Any]) -> None:
        """Check one line. A line of an unknown kind is a finding: an export must not hold what nobody checks."""
        kind = line.get("kind")
        if kind == "seal":
            self._close()
            self._open(line)
        elif kind in {USE, EVENT}:
            self._row(kind, str(line.get("text")))
        elif kind == "contract":
            self._close()
            self._contract(line)
        elif kind == "end":
            self._close()
            self._end(line)
        elif kind != "more":
            self._find("line", f"The export holds a line of the unknown kind «{kind}».")

    def all(self, lines: Iterable[str]) -> Outcome:
        """Check every line and return the outcome."""
        for line in lines:
            if line.strip():
                self._read(line)
        return self.finish()

    def _read(self, line: str) -> None:
        try:
            self.take(json.loads(line))
        except (ValueError, TypeError, AttributeError):
            self._find("line", "A line cannot be read.", self._last.n)

    def finish(self) -> Outcome:
        """Return the outcome once all lines have been taken."""
        if not self._ended:
            self._find("export", "It has no last line: it was cut off. Fetch it again.")
        if self._anchor is not None:
            self._find("anchor", "The seal that was seen before is not in the chain: seals were cut off or made again.")
        return self.outcome

    def _find(self, what: str, text: str, seal: int | None = None) -> None:
        if len(self.outcome.findings) < MOST_FINDINGS:
            self.outcome.findings.append(Finding(what, seal, text))

    def _open(self, line: Mapping[str, Any]) -> None:
        """Begin a window: the seal's own signature and place, and that its entries give its root."""
        jws, name = str(line.get("jws")), f"seal {line.get('n')}"
        blob = base64.b64decode(str(line.get("entries")))
        self.outcome.seals += 1
        try:
            entries = list(entries_of(blob))
            seal = Seal.opened(self._keys, jws)
        except (SignatureError, ValueError) as error:
            self._find(name, str(error))
            self._last, self._jws = Seal(int(line.get("n") or 0), "", self._last.snapshot, 0, 0, "", ""), jws
            return
        for wrong, text in self._faults(seal, line, blob, entries):
            if wrong:
                self._find(name, text)
        self._last, self._jws = seal, jws
        self._left = {(e.kind, e.number): e.digest for e in entries}
        self.outcome.newest, self.outcome.newest_at = jws, seal.at
        if jws == self._anchor:
            self._anchor = None

    def _faults(self, seal: Seal, line: Mapping[str, Any], blob: bytes, entries: list[Entry]) -> Iterator[tuple[bool, str]]:
        uses = sum(e.kind == USE for e in entries)
        yield seal.n != line.get("n"), f"It is kept as number {line.get('n')} and signed as number {seal.n}."
        yield seal.n != self._last.n + 1, f"It follows seal {self._last.n}: seals between them are missing."
        yield seal.before != (hash_of(self._jws) if self._jws else ""), "It does not name the seal before it: the chain is broken here."
        yield seal.snapshot != line.get("snapshot"), "The snapshot kept beside it is not the signed one: rows could be hidden from a check."
        yield seal.at < self._last.at, "It is older than the seal before it."
        yield (uses, len(entries) - uses) != (seal.uses, seal.events), "Its entries are not as many as were signed."
        yield (
            root_of(blob).hex() != seal.root,
            "Its entries do not give the signed root: entries were changed, and no row under it can be vouched for.",
        )

    def _row(self, kind: str, text: str) -> None:
        try:
            row = json.loads(text)
            number = int(row["id" if kind == USE else "seq"])
        except (KeyError, TypeError, ValueError):
            self._find("line", f"A row of kind {kind} cannot be read.", self._last.n)
            return
        digest = self._left.pop((kind, number), None)
        if kind == USE:
            self.outcome.uses += 1
        else:
            self.outcome.events += 1
            self._link(number, row)
        if digest is None:
            self._find(f"{kind} {number}", "It was put in after its window was sealed, or twice.", self._last.n)
        elif digest != Entry.of(kind, number, text.encode()).digest:
            self._find(f"{kind} {number}", "It was changed after it was sealed.", self._last.n)
        self._terms.setdefault(str(row.get("contract")), (f"{kind} {number}", self._last.n))

    def _link(self, number: int, row: Mapping[str, Any]) -> None:
        """Check the person's chain as far as it can be without their id: each event follows one that is there, and none is followed twice."""
        before = str(row.get("prev", ""))
        if before not in self._hashes:
            self._find(f"event {number}", "The event that it follows in the person's chain is not there.", self._last.n)
        if before and (other := self._followed.setdefault(before, number)) != number:
            self._find(f"event {number}", f"It follows the same event as event {other}: one of the two was put in.", self._last.n)
        self._hashes.add(str(row.get("hash")))

    def _close(self) -> None:
        """End the window: what is left was sealed and is gone."""
        for kind, number in self._left:
            self._find(f"{kind} {number}", "It was sealed and is gone: deleted, or its number was changed.", self._last.n)
        self._left = {}

    def _contract(self, line: Mapping[str, Any]) -> None:
        content, told = line.get("content"), str(line.get("hash"))
        row, seal = self._terms.pop(told, ("no row", None))
        if digest_of_terms(content) != told:
            name = content.get("name") if isinstance(content, dict) else None
            self._find(
                f"contract {told}", f"The terms of agreement {name} were changed after they were in force; {row} rests on them.", seal
            )

    def _end(self, line: Mapping[str, Any]) -> None:
        self._ended = True
        self.outcome.unsealed = int(line.get("uses", 0)) + int(line.get("events", 0))
        for told, (row, seal) in self._terms.items():
            if told != _NO_TERMS:
                self._find(row, f"The terms that it rests on (contract {told}) are gone.", seal)


def digest_of_terms(content: Any) -> str:
    """Return the hash that names an agreement's terms, as the store makes it when it opens one."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]


def verify(lines: Iterable[str], keys: KeyRing, anchor: str | None = None) -> Outcome:
    """Check the lines of an export. `anchor` is a seal's signed text that must be in the chain: one seen earlier, kept where the department cannot reach."""
    return Verifier(keys, anchor).all(lines)
