"""How far a build is: packages compiled, as a share of the time that all of them take."""

from __future__ import annotations

from bisect import bisect_left

# Share of the packages compiled -> share of the time gone, as measured on a cold build of all that the demonstration needs.
MEASURED = ((0.0, 0.0), (1.0, 1.0))


class Compiling:
    """One build, in which so many packages are to compile; `samples` are (seconds since the start, packages compiled by then)."""

    def __init__(self, packages: int) -> None:
        self.packages = max(packages, 1)
        self.samples: list[tuple[float, int]] = []

    def share(self, done: int) -> float:
        """The share of the time that is behind us, from 0 to 1, when so many packages are compiled."""
        return interpolated(min(done / self.packages, 1.0))

    def said(self, done: int) -> str:
        """The same for a person."""
        return f"{done} of {self.packages} packages compiled" if done < self.packages else "linking"

    def note(self, done: int, seconds: float) -> None:
        """Keep how far it was when, for the log."""
        if not self.samples or self.samples[-1][1] != done:
            self.samples.append((seconds, done))


def interpolated(share: float, curve: tuple[tuple[float, float], ...] = MEASURED) -> float:
    """The second value that belongs to the first, on straight lines between the curve's points."""
    after = min(bisect_left([x for x, _ in curve], share), len(curve) - 1)
    (x0, y0), (x1, y1) = curve[max(after - 1, 0)], curve[after]
    return y1 if x1 == x0 else y0 + (y1 - y0) * (share - x0) / (x1 - x0)
