"""What the keeper takes for its container's limit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from commonweal_runtime.keeper import memory
from commonweal_runtime.keeper.memory import container_bytes
from support.waiting import HANG

LOOK = "from commonweal_runtime.keeper import memory; import resource; memory.bound({}); print(resource.getrlimit(resource.RLIMIT_DATA)[0])"


@pytest.mark.parametrize(
    ("says", "limit"),
    [({"new": "402653184\n"}, 384 << 20), ({"old": "402653184\n"}, 384 << 20), ({"new": "max\n"}, None), ({"old": "9223372036854771712\n"}, None), ({}, None)],
)  # fmt: skip
def test_the_limit_is_what_the_kernel_says(says: dict[str, str], limit: int | None, tmp_path: Path) -> None:
    for name, text in says.items():
        (tmp_path / name).write_text(text)
    assert container_bytes((tmp_path / "new", tmp_path / "old")) == limit


@pytest.mark.parametrize(("limit", "bound"), [(384 << 20, 336 << 20), (None, -1)])
def test_a_process_is_bound_below_it(limit: int | None, bound: int) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK.format(limit)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == bound


OUTLAST = """
import asyncio
from commonweal_runtime.keeper import memory

memory.bound(160 << 20)
closed = []

async def many_loads_at_once():
    # Each fits by itself, as a load of a source does that gives a little less than too much.
    held = []
    for _ in range(64):
        held.append(bytearray(16 << 20))
        await asyncio.sleep(0)

async def keeper():
    closed.append("what was revoked")
    async with asyncio.TaskGroup() as group:
        if len(closed) < 3:
            group.create_task(many_loads_at_once())

asyncio.run(memory.outlasting(keeper, 0.0))
print(len(closed))
"""


def test_memory_that_runs_out_has_the_keeper_begin_again_in_the_same_process_and_close_first() -> None:
    done = subprocess.run([sys.executable, "-c", OUTLAST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr[-1500:]


NO_THREAD = """
import asyncio, resource
from commonweal_runtime.keeper import memory

memory.bound(160 << 20)
begun, held = [], []

async def keeper():
    held.clear()
    begun.append("again")
    try:
        while len(begun) == 1:
            held.append(bytearray(256 << 10))
    except MemoryError:
        pass
    await asyncio.to_thread(len, begun)

asyncio.run(memory.outlasting(keeper, 0.0))
print(len(begun))
"""


def test_no_room_for_a_thread_is_memory_that_ran_out() -> None:
    done = subprocess.run([sys.executable, "-c", NO_THREAD], capture_output=True, text=True, check=False, timeout=HANG)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr[-1500:]


GIVEN_BACK = """
import re, threading
from pathlib import Path
from commonweal_runtime.keeper import memory

memory.bound(160 << 20)

def data():
    return int(re.search("VmData:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) >> 10

left = []

def load():
    bytearray(2 << 20)  # let go, it tells the allocator that blocks of that length come and go
    held = []
    try:
        while True:
            held.append(bytearray({length}))
    except MemoryError:
        left.append(bytearray(1000))  # such as the error that says it: the last of all, beyond what is let go

before = data()
for _ in range(3):
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
print(data() - before)
"""


@pytest.mark.parametrize("length", [300 << 10, 2 << 20])
def test_what_a_failed_load_held_is_given_back_to_the_system(length: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_BACK.format(length=length)], capture_output=True, text=True, check=False, timeout=HANG
    )
    assert done.returncode == 0, done.stderr[-1500:]
    assert int(done.stdout) < 10


@pytest.mark.parametrize("error", [OSError("the database went away"), RuntimeError("the database went away")])
def test_any_other_end_of_the_keeper_ends_the_process(error: Exception) -> None:
    async def broken() -> None:
        raise error

    with pytest.raises(type(error), match="the database went away"):
        asyncio.run(memory.outlasting(broken, 0.0))
