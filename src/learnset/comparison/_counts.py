"""Learners of counts, whose model has the logarithm of a rate."""

from typing import Any

from jaxtyping import Array, Key

from ..core import InputError, Model
from ..multitask import LogLink
from ..tasks import TaskRows
from ._host import AbstractHostLearner, HostPast
from ._learner import Budget


class OfCounts(AbstractHostLearner):
    """Another learner, which learns logarithms of rates from counts: by their Poisson likelihood,
    whatever its model. What is learnt answers with rates, which are never negative.

    Source: Nelder & Wedderburn 1972, *Generalized Linear Models*.

    **Arguments:** `learner`: it receives counts in units of the targets' standard deviation.
    """

    learner: AbstractHostLearner

    @property
    def seeded(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.learner.seeded

    def fit(
        self,
        model: Model,
        past: HostPast,
        budget: Budget,
        *,
        key: Key[Array, ""],
        rounds: Any = None,
    ) -> tuple[Model, Any]:
        if getattr(past.tasks, "zero", None) is None:
            raise InputError("OfCounts: the targets are not counts. Read them as counts.")
        fitted, rounds = self.learner.fit(model, _Counts(past), budget, key=key, rounds=rounds)
        return LogLink.of(fitted, past.tasks.zero), rounds


class _Counts(HostPast):
    """A past whose targets are counts, over their standard deviation."""

    def __init__(self, past: HostPast):
        super().__init__(past.tasks)
        self.train, self.validation = map(self._counted, (past.train, past.validation))

    def _counted(self, rows: TaskRows) -> TaskRows:
        y = rows.y - self.tasks.zero[rows.task][:, None]
        return rows.with_y(y.clip(min=0))  # what is rounded to less
