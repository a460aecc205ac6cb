"""Recipes for counts in the rows of a table."""

import dataclasses
from typing import Any

from ..comparison import AbstractLearner, ByTrees, InClosedForm, OfCounts, Recipe, Setting
from ..core import poisson_nll
from ..multitask import Boosting, Given, TaskPoisson
from ._networks import Networks, SHARED
from .regression import CARUANA, FRIEDMAN, Heads

OF_COUNTS = (0.1, 1.0, 10.0, 100.0)  # penalties of Poisson regressions


def of_counts(networks: Networks, trees: Any) -> list[Recipe]:
    """Recipes with a Poisson likelihood."""
    source = "Nelder & Wedderburn 1972, Generalized Linear Models"

    def regressions(given: Given) -> tuple[AbstractLearner, ...]:
        return tuple(OfCounts(InClosedForm(TaskPoisson(l2, given))) for l2 in OF_COUNTS)

    boosted = tuple(OfCounts(ByTrees(Boosting(*one, poisson=True))) for one in trees)
    mixed = tuple(
        OfCounts(InClosedForm(TaskPoisson(l2, own_l2=own))) for l2 in OF_COUNTS for own in OF_COUNTS
    )
    poisson = dataclasses.replace(networks, loss=poisson_nll)
    of_rows: Any = poisson.of_rows(Heads(networks.num_tasks))
    network = tuple(OfCounts(learner) for learner in of_rows)
    together = Setting.MULTI_TASK
    rivals: tuple[tuple[str, Setting, Any, str], ...] = (
        ("Poisson per task", Setting.SCRATCH, regressions(Given.ALL), source),
        ("Poisson + task", Setting.POOLED, regressions(Given.OFFSETS), source),
        ("Poisson boosting + task", Setting.POOLED, boosted, FRIEDMAN),
    )
    return [
        *(
            Recipe(name, setting, learners, source=source, quick=True, baseline=True)
            for name, setting, learners, source in rivals
        ),
        Recipe(
            "Poisson with offsets", together, mixed, source="Breslow & Clayton 1993", quick=True
        ),
        Recipe(f"{SHARED} + Poisson", together, network, source=CARUANA, quick=True),
    ]
