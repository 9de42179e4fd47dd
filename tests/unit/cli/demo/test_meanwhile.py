"""What begins on a site while Pulumi works on it: once each, when its time has come, and at the latest in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commonweal_cli.demo.meanwhile import Meanwhile
from commonweal_cli.kubectl import Kubectl

FILE = Path("10-departments.yaml")
NAMESPACE, GUARDED = "created Namespace/commonweal-system", "created ServiceAccount/commonweal-system/commonweal-operator"


class Recorded(Kubectl):
    """A site that only writes down what is done on it."""

    def apply(self, *files: Path, seconds: float = 0.0) -> None:
        done.append((self.name, files))


done: list[tuple[str, Any]] = []


@pytest.fixture
def meanwhile() -> Meanwhile:
    done.clear()
    return Meanwhile(lambda name: Recorded(Path(), Path(), name), lambda cluster: done.append((cluster.name, "people")), [FILE], 2)


def test_each_begins_once_when_what_it_needs_is_there(meanwhile: Meanwhile) -> None:
    for line in ("created CustomResourceDefinition/departments.commonweal.dev", NAMESPACE, NAMESPACE, GUARDED, GUARDED):
        meanwhile.hear("onprem", line)
    meanwhile.finish(["onprem"])
    assert sorted(done, key=str) == [("onprem", "people"), ("onprem", (FILE,))]


def test_on_a_site_on_which_nothing_had_to_be_made_it_is_done_in_the_end(meanwhile: Meanwhile) -> None:
    meanwhile.hear("onprem", NAMESPACE)
    meanwhile.hear("onprem", GUARDED)
    meanwhile.finish(["onprem", "cloud"])
    assert {site for site, _ in done} == {"onprem", "cloud"}
    assert len(done) == 4


def test_what_goes_wrong_meanwhile_is_raised_in_the_end() -> None:
    def refuse(cluster: Kubectl) -> None:
        raise RuntimeError(cluster.name)

    meanwhile = Meanwhile(lambda name: Recorded(Path(), Path(), name), refuse, [], 1)
    meanwhile.hear("onprem", NAMESPACE)
    with pytest.raises(RuntimeError, match="onprem"):
        meanwhile.finish(["onprem"])
