"""When stages began and how long they took, also those that overlap."""

from __future__ import annotations

from itertools import count

from commonweal_cli.demo.stages import Span, Stages
from commonweal_cli.kubectl_watch import read, take


def test_stages_are_told_in_the_order_in_which_they_began() -> None:
    ticks = count(100)
    stages = Stages(clock=lambda: float(next(ticks)))  # begins at 100
    with stages.measured("outer"), stages.measured("inner"):
        pass
    stages.reached("in all")
    assert stages.spans == [Span("inner", 2.0, 1.0), Span("outer", 1.0, 3.0), Span("in all", 0.0, 5.0)]
    assert list(stages.seconds) == ["in all", "outer", "inner"]


def test_what_was_reached_is_written_down_once() -> None:
    ticks = count()
    stages = Stages(clock=lambda: float(next(ticks)))
    stages.reached("the first read")
    stages.reached("the first read")
    assert stages.seconds == {"the first read": 1.0}


def test_a_name_that_comes_twice_adds_up() -> None:
    ticks = count()
    stages = Stages(clock=lambda: float(next(ticks)))
    for _ in range(2):
        with stages.measured("tools"):
            pass
    assert stages.seconds == {"tools": 2.0}


def product(name: str, version: str = "1") -> dict[str, object]:
    return {"kind": "DataProduct", "metadata": {"namespace": "dept-a", "name": name, "resourceVersion": version}}


def test_a_list_and_its_events_give_the_objects_as_they_are() -> None:
    listed = {"kind": "DataProductList", "items": [{"metadata": {"namespace": "dept-a", "name": "x"}}]}
    objects = read(listed)
    assert objects["dept-a", "x"]["kind"] == "DataProduct", "items of a list may lack their kind"
    assert take(objects, {"type": "ADDED", "object": product("y")})
    assert take(objects, {"type": "MODIFIED", "object": product("y", "2")})
    assert take(objects, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}})
    assert take(objects, {"type": "DELETED", "object": product("x")})
    assert {name: item["metadata"]["resourceVersion"] for (_, name), item in objects.items()} == {"y": "2"}


def test_a_watch_that_the_server_cannot_go_on_with_is_begun_anew() -> None:
    assert not take({}, {"type": "ERROR", "object": {"kind": "Status", "code": 410}})
