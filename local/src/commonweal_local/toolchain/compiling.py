"""How far a build is: packages compiled, as a share of the time that all of them take."""

from __future__ import annotations

from bisect import bisect_left

Curve = tuple[tuple[float, float], ...]
# Share of the packages compiled -> share of the time gone, as measured on cold builds of what the demonstration needs.
EVEN: Curve = ((0.0, 0.0), (1.0, 1.0))
# The last twentieth of its packages, Pulumi's generated ones, takes more than half of the time.
PULUMI: Curve = ((0.0, 0.0), (0.25, 0.07), (0.75, 0.23), (0.9, 0.29), (0.95, 0.4), (0.98, 0.79), (1.0, 1.0))


class Compiling:
    """One build, in which so many packages are to compile; `samples` are (seconds since the start, packages compiled by then)."""

    def __init__(self, packages: int, curve: Curve = EVEN) -> None:
        self.packages, self.curve = max(packages, 1), curve
        self.samples: list[tuple[float, int]] = []

    def share(self, done: int) -> float:
        """The share of the time that is behind us, from 0 to 1, when so many packages are compiled."""
        return interpolated(min(done / self.packages, 1.0), self.curve)

    def said(self, done: int) -> str:
        """The same for a person."""
        return f"{done} of {self.packages} packages compiled" if done < self.packages else "linking"

    def note(self, done: int, seconds: float) -> None:
        """Keep how far it was when, for the log."""
        if not self.samples or self.samples[-1][1] != done:
            self.samples.append((seconds, done))


def interpolated(share: float, curve: Curve) -> float:
    """The second value that belongs to the first, on straight lines between the curve's points."""
    after = min(bisect_left([x for x, _ in curve], share), len(curve) - 1)
    (x0, y0), (x1, y1) = curve[max(after - 1, 0)], curve[after]
    return y1 if x1 == x0 else y0 + (y1 - y0) * (share - x0) / (x1 - x0)
