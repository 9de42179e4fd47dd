"""The queue's promises. Time is an argument; nothing sleeps."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from commonweal_kube.queue import Key, Priority, WorkQueue

A, B, C = Key("one", "K", "a"), Key("one", "K", "b"), Key("two", "K", "c")
REVOCATION, SPEC, DRIFT, RESYNC = Priority


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def drain(queue: WorkQueue, worst: Priority = RESYNC) -> list[tuple[Key, Priority]]:
    out = []
    while (taken := queue.take(worst)) is not None:
        out.append(taken)
    return out


def test_adds_of_a_waiting_key_fold_into_one_and_the_most_urgent_wins() -> None:
    queue = WorkQueue(Clock())
    for priority in (RESYNC, SPEC, DRIFT):
        queue.add(A, priority)
    assert drain(queue) == [(A, SPEC)]


def test_a_key_added_while_it_runs_is_handed_out_only_after_done() -> None:
    queue = WorkQueue(Clock())
    queue.add(A, RESYNC)
    assert drain(queue) == [(A, RESYNC)]
    queue.add(A, REVOCATION)
    assert drain(queue) == []
    queue.done(A)
    assert drain(queue) == [(A, REVOCATION)]


def test_tenants_take_turns_inside_a_priority() -> None:
    queue = WorkQueue(Clock())
    for key in (A, B, C):
        queue.add(key, SPEC)
    assert [key for key, _ in drain(queue)] == [A, C, B]


def test_a_revocation_overtakes_everything() -> None:
    queue = WorkQueue(Clock())
    for key in (A, B):
        queue.add(key, RESYNC)
    queue.add(C, REVOCATION)
    assert drain(queue)[0] == (C, REVOCATION)


def test_backoff_grows_per_key_and_is_forgotten_on_success() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    first = queue.retry(A, SPEC)
    assert 0.04 <= first <= 0.06
    clock.now = 0.1
    queue.release_due()
    assert drain(queue) == [(A, SPEC)]
    queue.done(A)
    assert first < queue.retry(A, SPEC) <= 0.12
    queue.forget(A)
    assert queue.retry(A, SPEC) <= 0.06


def test_backoff_never_exceeds_its_cap() -> None:
    queue = WorkQueue(Clock(), cap=60.0)
    assert max(queue.retry(A, SPEC) for _ in range(40)) <= 72.0


def test_of_two_delayed_entries_of_a_key_the_sooner_stands_and_runs_once() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    queue.add_after(A, RESYNC, 100.0)
    queue.add_after(A, REVOCATION, 5.0)
    queue.add_after(A, RESYNC, 50.0)
    clock.now = 5.0
    queue.release_due()
    assert drain(queue) == [(A, REVOCATION)]
    queue.done(A)
    clock.now = 500.0
    queue.release_due()
    assert drain(queue) == []


def test_the_clock_task_releases_what_is_due_when_a_sooner_entry_arrives() -> None:
    async def scenario() -> Key:
        queue = WorkQueue(asyncio.get_running_loop().time)
        ticking = asyncio.create_task(queue.run_clock())
        queue.add_after(B, SPEC, 3600.0)
        queue.add_after(A, SPEC, 0.0)
        try:
            async with asyncio.timeout(5):
                return (await queue.get(RESYNC))[0]
        finally:
            ticking.cancel()

    assert asyncio.run(scenario()) == A


def test_a_reserved_worker_gets_the_revocation_and_the_others_stay_asleep() -> None:
    async def scenario() -> list[str]:
        queue, got = WorkQueue(Clock()), []

        async def worker(label: str, worst: Priority) -> None:
            key, _ = await queue.get(worst)
            got.append(f"{label} {key.name}")

        tasks = [asyncio.create_task(worker("any", RESYNC)), asyncio.create_task(worker("reserved", REVOCATION))]
        await asyncio.sleep(0)
        queue.add(A, REVOCATION)
        for _ in range(3):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return got

    assert asyncio.run(scenario()) == ["reserved a"]


def test_a_cancelled_waiter_passes_its_wake_up_on() -> None:
    async def scenario() -> str:
        queue = WorkQueue(Clock())
        first = asyncio.create_task(queue.get(RESYNC))
        second = asyncio.create_task(queue.get(RESYNC))
        await asyncio.sleep(0)
        queue.add(A, SPEC)  # wakes the first
        first.cancel()
        async with asyncio.timeout(5):
            return (await second)[0].name

    assert asyncio.run(scenario()) == "a"


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done"]), st.sampled_from([A, B, C]), st.sampled_from(Priority)), max_size=60))
def test_no_key_runs_twice_at_once_and_none_is_lost(steps: list[tuple[str, Key, Priority]]) -> None:
    queue, running, wanted = WorkQueue(Clock()), set(), set()
    for what, key, priority in steps:
        if what == "add":
            queue.add(key, priority)
            wanted.add(key)
        elif what == "take" and (taken := queue.take(RESYNC)) is not None:
            assert taken[0] not in running
            running.add(taken[0])
            wanted.discard(taken[0])
        elif what == "done" and key in running:
            running.discard(key)
            queue.done(key)
    for key in tuple(running):
        queue.done(key)
    assert {key for key, _ in drain(queue)} == wanted
