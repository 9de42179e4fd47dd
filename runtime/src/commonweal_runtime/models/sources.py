"""What may be read of a person, asked of the departments' data APIs as any consumer asks: with a token, for a purpose, by named fields."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
import orjson

from commonweal_api.model_service import Feature
from commonweal_api.plan import FeatureSource
from commonweal_runtime.certificates import inside, is_secured
from commonweal_runtime.models.calls import Call
from commonweal_runtime.models.features import Product, Record, name_of

TIMEOUT = aiohttp.ClientTimeout(total=2.0)
MOST_RECORDS = 10_000
TOKEN_SECONDS = 30.0
REFUSED, UNAVAILABLE, NOT_AGREED = "Refused", "Unavailable", "CallerNotAgreed"
_logger = logging.getLogger(__name__)


class Readings(NamedTuple):
    """What was read: records by product, the subjects of whom something was, and the names of features that were withheld."""

    records: dict[Product, Sequence[Record]]
    subjects: dict[str, str]
    withheld: list[str]


class SourceError(NamedTuple):
    """Why a product cannot be read at all: `state` is Refused (an agreement is wrong) or Unavailable (the source is away)."""

    state: str
    reason: str


class _Answer(NamedTuple):
    records: Sequence[Record] | None
    error: SourceError | None


class TokenFiles:
    """The projected ServiceAccount tokens, one file per department; Kubernetes renews a file, so it is read again now and then."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._known: dict[str, tuple[float, str]] = {}

    def token(self, department: str) -> str:
        """Return the token for a department's audience; raises OSError when the file is not there."""
        known = self._known.get(department)
        if known is None or self._clock() - known[0] > TOKEN_SECONDS:
            known = self._clock(), (self._folder / department).read_text().strip()
            self._known[department] = known
        return known[1]


class FeatureReader:
    """Reads features of one person from all departments at once, each time in a caller's name.

    A person's «no» (404), a missing agreement (403) and a source that is away all withhold the features; none of them fails the
    caller. The latter two, but for a caller that has no agreement of its own, are remembered in `source_errors` until the product can be read again.
    """

    def __init__(self, session: aiohttp.ClientSession, tokens: TokenFiles) -> None:
        self._session, self._tokens = session, tokens
        self.source_errors: dict[Product, SourceError] = {}

    async def read(
        self, call: Call, sources: Mapping[str, FeatureSource], subjects: Mapping[str, UUID], features: Sequence[Feature] | None = None
    ) -> Readings:
        """Return what may be read for a caller; a department for which no subject is given is withheld without being asked."""
        spec = call.model.entry.spec
        asked: dict[Product, list[Feature]] = defaultdict(list)
        for feature in spec.features if features is None else features:
            asked[feature.department, feature.product].append(feature)
        known = [p for p in asked if p[0] in subjects]
        headers = {"Purpose": spec.purpose, "Caller": str(call.caller), "Caller-Gets": "Values" if call.values else "Decision"}
        answers = await asyncio.gather(*(self._product(p, asked[p], sources.get(p[0]), subjects[p[0]], headers) for p in known))
        records = {p: a.records for p, a in zip(known, answers, strict=True) if a.records is not None}
        for product, answer in zip(known, answers, strict=True):
            self._note(product, answer)
        withheld = sorted(name_of(f) for p, features in asked.items() if p not in records for f in features)
        return Readings(records, {d: str(subjects[d]) for d, _ in records}, withheld)

    def _note(self, product: Product, answer: _Answer) -> None:
        if self.source_errors.get(product) == answer.error:
            return
        if answer.error is None:
            self.source_errors.pop(product, None)
            _logger.info("%s/%s can be read again", *product)
        else:
            self.source_errors[product] = answer.error
            _logger.warning("%s/%s cannot be read: %s %s", *product, *answer.error)

    async def _product(
        self, product: Product, features: Sequence[Feature], source: FeatureSource | None, subject: UUID, headers: Mapping[str, str]
    ) -> _Answer:
        if source is None:
            return _Answer(None, SourceError(UNAVAILABLE, "NoSource"))
        fields = [f.field for f in features]
        url = f"{source.url.rstrip('/')}/v1/{product[1]}/subjects/{subject}"
        if not is_secured(url):
            return _Answer(None, SourceError(UNAVAILABLE, "NotHttps"))
        try:
            sent, trust = {"Authorization": f"Bearer {self._tokens.token(product[0])}", **headers}, inside().context
            async with self._session.get(url, params={"fields": ",".join(fields)}, headers=sent, timeout=TIMEOUT, ssl=trust) as r:
                return _answer(r.status, await r.read(), fields)
        except OSError as error:  # aiohttp's connection errors among them
            return _Answer(None, SourceError(UNAVAILABLE, type(error).__name__))
        except (aiohttp.ClientError, TimeoutError) as error:
            return _Answer(None, SourceError(UNAVAILABLE, type(error).__name__))


def _answer(status: int, body: bytes, fields: Sequence[str]) -> _Answer:
    if status == 404:
        return _Answer(None, None)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _Answer(None, SourceError(UNAVAILABLE, f"Status{status}"))
    if status == 200 and isinstance(document, dict):
        records = _records(document)
        return _Answer([{k: r[k] for k in fields if k in r} for r in records[:MOST_RECORDS]], None)
    reason = str(document.get("reason", f"Status{status}")) if isinstance(document, dict) else f"Status{status}"
    if reason == NOT_AGREED:  # this caller's want, not the source's: others are read for
        return _Answer(None, None)
    return _Answer(None, SourceError(REFUSED if status == 403 else UNAVAILABLE, reason[:60]))


def _records(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document["records"] if "records" in document else [document.get("record")]
    return [r for r in found if isinstance(r, dict)] if isinstance(found, list) else []
