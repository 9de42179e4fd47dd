"""The objects of all Clusters by the Cluster they belong to, and the facts about one of them. Nothing here asks a server."""

from __future__ import annotations

from collections import Counter

from commonweal_kube.objects import Change, ObjectCache
from commonweal_kube.queue import Key
from commonweal_local.provider.facts import SHARED_SITE, Mode
from commonweal_local.provider.kinds import Kind, Seen, key_of, read
from commonweal_local.provider.refusals import NAME, number
from commonweal_stacks.blueprint import CURRENT, REVISIONS
from commonweal_stacks.fleet_names import kubeconfig_secret


class Fleet:
    """Which LocalCluster, LocalControlPlane and Secret belong to which Cluster. `default` is the mode of a control plane that names none.

    `shared` counts, by the version and the blueprint that they ask for, the control planes of mode Shared that are there to stay.
    """

    def __init__(self, default: Mode) -> None:
        self.objects = ObjectCache(key_of, read)
        self._default = default
        self._members: dict[tuple[str, str], dict[Kind, str]] = {}
        self.shared: Counter[tuple[str, str]] = Counter()

    def note(self, change: Change) -> list[Key]:
        """Keep the index right; the Clusters that the change concerns."""
        concerned = []
        self._count_shared(change.old.parsed if change.old else None, -1)
        self._count_shared(change.new.parsed if change.new else None, 1)
        for record in (change.old, change.new):
            seen: Seen | None = record.parsed if record else None
            if seen is None or not seen.cluster or (seen.kind is Kind.SECRET and seen.name != kubeconfig_secret(seen.cluster)):
                continue
            members = self._members.setdefault((seen.namespace, seen.cluster), {})
            if record is change.new:
                members[seen.kind] = seen.name
            elif change.new is None and members.get(seen.kind) == seen.name:
                del members[seen.kind]
            concerned.append(Key(seen.namespace, Kind.CLUSTER.value, seen.cluster))
        for key in concerned:
            if not self._members.get((key.tenant, key.name), True):
                del self._members[key.tenant, key.name]
        return list(dict.fromkeys(concerned))

    def member(self, key: Key, kind: Kind) -> Seen | None:
        """The Cluster's object of that kind, or None."""
        name = self._members.get((key.tenant, key.name), {}).get(kind)
        record = self.objects.get(Key(key.tenant, kind.value, name)) if name else None
        return record.parsed if record else None

    def keys(self) -> list[Key]:
        """Every Cluster that has an object of ours."""
        ours = (Kind.INFRA, Kind.PLANE)
        return [
            Key(space, Kind.CLUSTER.value, name) for (space, name), kinds in self._members.items() if any(kind in kinds for kind in ours)
        ]

    def mode(self, key: Key) -> Mode:
        return self._mode_of(self.member(key, Kind.PLANE))

    def site_of(self, key: Key) -> str | None:
        """The name of the site behind a Cluster; None when no site can have it."""
        if self.mode(key) is Mode.SHARED:
            return SHARED_SITE
        return key.name if NAME.fullmatch(key.name) and key.name != SHARED_SITE else None

    def sites(self) -> set[str]:
        """The names of all sites that are wanted."""
        return {name for key in self.keys() if (name := self.site_of(key))}

    def behind(self, site: str) -> list[Key]:
        """The Clusters that a site stands behind."""
        return [key for key in self.keys() if self.site_of(key) == site]

    def wanted_version(self, key: Key, known: tuple[str, ...]) -> str:
        """What the site shall run: what the Cluster asks for; in mode Shared the oldest known version that any of them asks for."""
        plane = self.member(key, Kind.PLANE)
        asked = str(plane.spec["version"]) if plane else ""
        if self.mode(key) is not Mode.SHARED:
            return asked
        return min((version for version, _ in self.shared if version in known), key=number, default=asked)

    def wanted_blueprint(self, key: Key) -> str:
        """Whose settings the site shall have: those of the revision that the Cluster's class is of; in mode Shared of the oldest of all."""
        plane = self.member(key, Kind.PLANE)
        asked = _blueprint_of(plane) if plane else CURRENT
        if self.mode(key) is not Mode.SHARED:
            return asked
        known = list(REVISIONS)
        return min((blueprint for _, blueprint in self.shared if blueprint in known), key=known.index, default=asked)

    def _count_shared(self, seen: Seen | None, by: int) -> None:
        if seen is not None and seen.kind is Kind.PLANE and seen.cluster and not seen.deleting and self._mode_of(seen) is Mode.SHARED:
            self.shared[str(seen.spec["version"]), _blueprint_of(seen)] += by
            self.shared += Counter()  # drops what is asked for by nobody any more

    def _mode_of(self, plane: Seen | None) -> Mode:
        return Mode(plane.spec["mode"]) if plane and "mode" in plane.spec else self._default


def _blueprint_of(plane: Seen) -> str:
    return str(plane.spec.get("blueprint") or CURRENT)
