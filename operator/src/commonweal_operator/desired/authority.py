"""Which authorities everybody believes, and from when the site's own one signs. Pure: what is decided from are the certificates, what was published before, and the time.

An authority is exchanged in two steps, so that no request is refused: both are believed for an hour before the new one signs, and until the last certificate of the old one has ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from commonweal_api.common import AUTHORITY_KEY
from commonweal_operator.desired.certificates import EXCHANGED, LIFETIME

# Longer than the operator needs for every department, and a kubelet to bring it.
TOLD = timedelta(hours=1)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


class Standing(NamedTuple):
    """What holds now.

    `believed` are certificates as PEM. `before` is the authority whose certificates stay as they are, while not everybody believes the new one yet; `since` is when the exchange began, if one goes on.
    """

    believed: str
    before: str = ""
    since: str = ""


def standing(own: str, others: str, published: Mapping[str, Any] | None, now: datetime) -> Standing:
    """Return what holds, from the site's own authority, further ones that the site names, and the ConfigMap that everybody was told by last."""
    told = certificates(((published or {}).get("data") or {}).get(AUTHORITY_KEY, ""))
    since = str((((published or {}).get("metadata") or {}).get("annotations") or {}).get(EXCHANGED, ""))
    mine, named = certificates(own), certificates(others)
    if not told or (told[0] == mine[0] and not since):
        return Standing(_listed([*mine, *named]))
    if told[0] != mine[0]:
        return Standing(_listed([*mine, told[0], *named]), told[0], now.isoformat())
    begun = datetime.fromisoformat(since)
    if now >= begun + TOLD + LIFETIME:
        return Standing(_listed([*mine, *named]))
    return Standing(_listed([*mine, *told[1:2], *named]), told[1] if now < begun + TOLD and told[1:] else "", since)


def certificates(text: str) -> list[str]:
    """Return the certificates of a PEM text, each in one spelling."""
    return [found.strip() + "\n" for found in _PEM.findall(text)]


def _listed(found: Sequence[str]) -> str:
    return "".join(dict.fromkeys(found))
