"""What is reported of a first demonstration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "bench"

SAID = """... building site-kube, helm
ok building site-kube, helm (301.2 s)
ok images: unpacking them once for all sites (15.0 s)
Time:
  start to the first consented read   540.0 s
  in all                              610.0 s
"""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    sys.modules.pop("demo_cold", None)
    import demo_cold

    return demo_cold


def test_the_whole_is_held_to_its_target_and_what_was_built_is_named(bench: Any) -> None:
    whole, first, built = bench.figures(SAID, 660.0)
    assert (whole.value, whole.unit, whole.met) == (11.0, "min", True)
    assert (first.value, built.figure, built.value) == (9.0, "of it building site-kube, helm", 301.2)
    assert bench.figures(SAID, 901.0)[0].met is False


def test_a_demonstration_without_a_read_is_no_demonstration(bench: Any) -> None:
    with pytest.raises(ValueError, match="no consented read"):
        bench.figures("make: nothing to be done", 1.0)


def test_nothing_of_the_session_but_the_way_out_is_handed_on(bench: Any) -> None:
    out = {"PATH": "/bin", "https_proxy": "http://p", "GOPROXY": "https://g", "PIP_INDEX_URL": "i"}
    kept = {"GOMODCACHE": "/m", "PIP_CACHE_DIR": "/c", "COMMONWEAL_CACHE": "/x", "HOME": "/root"}
    assert bench.environment(Path("/new"), {**out, **kept}) == {**out, "HOME": "/new", "CI": "true"}
