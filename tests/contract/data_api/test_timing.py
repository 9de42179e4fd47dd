"""Absent and denied take the same time: two distributions that cannot be told apart, by a test that would see half a millisecond."""

from __future__ import annotations

import random
import statistics
import time
import uuid
from bisect import bisect_right

from commonweal_runtime.data_api.service import MISS_TICK
from support.data_api import subject
from support.department import Department

ROUNDS = 240


def distance(a: list[float], b: list[float]) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples."""
    a, b = sorted(a), sorted(b)
    return max(abs(bisect_right(a, x) / len(a) - bisect_right(b, x) / len(b)) for x in (*a, *b))


def bound(n: int) -> float:
    """Return a distance that two samples of one distribution exceed in fewer than one of a million runs: c(1e-6) * sqrt(2 / n)."""
    return 2.7 * (2 / n) ** 0.5


def sample(department: Department, product: str, consumer: str) -> tuple[list[float], list[float]]:
    """Return the times of unknown and of refused people, asked for in turns and in random order of the two."""
    chance = random.Random(7)
    headers = {"Authorization": f"Bearer {department.client(consumer, 'app')}", "Purpose": f"{consumer}/serve"}
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(ROUNDS):
        pair = [(0, uuid.UUID(int=chance.getrandbits(128))), (1, subject(f"P{1 + n % 100}"))]
        chance.shuffle(pair)
        for which, key in pair:
            begun = time.perf_counter()
            assert department.http.get(f"/v1/{product}/subjects/{key}", headers=headers).status_code == 404
            times[which].append(time.perf_counter() - begun)
    return times


def test_absent_and_denied_take_the_same_time(department: Department) -> None:
    absent, denied = sample(department, "cards", "health")
    assert distance(absent, denied) < bound(ROUNDS)
    assert abs(statistics.median(absent) - statistics.median(denied)) < MISS_TICK


def test_absent_and_denied_take_the_same_time_where_reads_are_strict(department: Department) -> None:
    absent, denied = sample(department, "secret", "clinic")
    assert distance(absent, denied) < bound(ROUNDS)


def test_the_test_would_see_a_difference() -> None:
    """The same samples, one of them a tick later: were they told apart, so would a store be that answers some people later."""
    chance = random.Random(3)
    one, other = ([0.005 + chance.gauss(0, 0.001) for _ in range(ROUNDS)] for _ in range(2))
    assert distance(one, other) < bound(ROUNDS)
    assert distance(one, [t + 0.001 for t in other]) > bound(ROUNDS)
