"""LoadedModel: one model as this process serves it, kept level with the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from commonweal_api.plan import ModelEntry
from commonweal_runtime.models.features import space_of
from commonweal_runtime.models.learning import Exploration, Learner, Row
from commonweal_runtime.models.log import DecisionLog, Forgotten, ModelRef, State, TrainingExample

SAVE_EVERY = 500
MOST_BYTES = 64 * 2**20
MOST_ACTIONS = 4096
_logger = logging.getLogger(__name__)


class LoadedModel:
    """The log is the truth and these sums follow it, example by example, each exactly once.

    Because the sums are exact, any number of processes that follow one log hold equal bits; nothing is to be elected or locked.
    """

    def __init__(self, department: str, entry: ModelEntry, ref: ModelRef, state: State) -> None:
        self.department, self.entry, self.ref = department, entry, ref
        self.space = space_of(entry.spec)
        self.learner = Learner(self.space, _exploration(entry), state.sums)
        self.applied = self._saved = state.lesson
        self._waiting: dict[int, Row] = {}
        self._level = asyncio.Lock()

    @classmethod
    async def open(cls, log: DecisionLog, department: str, entry: ModelEntry) -> LoadedModel:
        """Register the department's model, load what was saved, and learn what came since. Damaged sums are rebuilt from the log."""
        space = space_of(entry.spec)
        ref = await log.register(entry.uid, entry.name, space)
        try:
            state = await log.load(ref, space)
        except ValueError as error:
            _logger.warning("model %s: %s; they are rebuilt from the log", entry.name, error)
            state = State(Learner(space).sums, 0)
        model = cls(department, entry, ref, state)
        await model.catch_up(log)
        return model

    def revise(self, entry: ModelEntry) -> bool:
        """Go on under a changed ModelService; return False, changing nothing, when its feature space is another one."""
        if entry.uid != self.entry.uid or space_of(entry.spec) != self.space:
            return False
        self.entry = entry
        self.learner.exploration = _exploration(entry)
        return True

    @property
    def room(self) -> int:
        """How many more actions this model can learn to know, within its share of memory."""
        dim = self.space.dim
        each = 8 * dim * (dim + 2) if self.space.per_action else 8 * dim
        return min(MOST_BYTES // each, MOST_ACTIONS) - len(self.learner.sums.actions)

    def take(self, example: TrainingExample) -> bool:
        """Learn an example in its turn. Return False if an earlier one is missing; then catch up."""
        self._waiting[example.number] = example.row
        self._drain()
        return not self._waiting

    async def catch_up(self, log: DecisionLog) -> None:
        """Learn all that the log has and this process lacks; after a forgetting elsewhere, begin again from the saved sums."""
        async with self._level:
            news = await log.since(self.ref, self.space, self.applied)
            if news.forgot > self.applied:
                self.adopt(await log.load(self.ref, self.space))
                news = await log.since(self.ref, self.space, self.applied)
            for example in news.examples:
                if example.number > self.applied:
                    self.learner.learn([example.row])
                    self.applied = example.number
            self.applied = max(self.applied, news.upto)
            self._drain()

    async def forget(self, log: DecisionLog, subjects: Mapping[str, str]) -> Forgotten:
        """Forget a person, exactly: sums and log are then as if nothing had been learnt from them."""
        async with self._level:
            forgotten = await log.forget(self.ref, subjects, State(self.learner.sums.copy(), self.applied))
            self.adopt(forgotten.state)
            self._drain()
        return forgotten

    def adopt(self, state: State) -> None:
        """Go on from other sums of the same space."""
        self.learner = Learner(self.space, self.learner.exploration, state.sums)
        self.applied = self._saved = state.lesson

    def _drain(self) -> None:
        """Learn what has been waiting for its turn, and drop what was learnt by another way."""
        self._waiting = {n: row for n, row in self._waiting.items() if n > self.applied}
        while self.applied + 1 in self._waiting:
            self.applied += 1
            self.learner.learn([self._waiting.pop(self.applied)])

    @property
    def save_due(self) -> bool:
        """Whether enough was learnt since the sums were last saved."""
        return self.applied - self._saved >= SAVE_EVERY

    async def save(self, log: DecisionLog) -> bool:
        """Save the sums if anything was learnt since; the packing runs beside the event loop. Return whether they were."""
        if self.applied == self._saved:
            return False
        lesson, sums = self.applied, self.learner.sums.copy()
        self._saved = lesson
        await log.save(self.ref, lesson, await asyncio.to_thread(sums.dump), sums.digest())
        return True


def _exploration(entry: ModelEntry) -> Exploration:
    return Exploration(gamma=entry.spec.learning.gamma, floor=entry.spec.learning.floor)
