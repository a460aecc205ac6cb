"""The standard recipes for the rows of a table, all of whose tasks are trained on.

Penalties, step sizes and decays are grids, from which `compare` chooses on validation rows, for
each seed. One model for each task, linear and a network, and the pooled model, linear and a
network, are always there, with grids as fine as the others'.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..comparison import AbstractLearner, ByGradient, InClosedForm, Recipe, Setting
from ..core import AbstractMethod, cross_entropy, mse
from ..multitask import (
    AbstractSolver,
    FAMO,
    Mean,
    MixedModel,
    MultiTaskLasso,
    OffsetRidge,
    PooledRidge,
    RidgePerTask,
    SoftSharing,
    UPGrad,
)
from ..transfer import Pooled
from .regression import Heads, OneEach

L2S = tuple(float(l2) for l2 in np.geomspace(0.1, 1e4, 11).round(4))
ALPHAS = tuple(float(alpha) for alpha in np.geomspace(1e-3, 3, 8).round(6))
LRS = (0.003, 0.01)
DECAYS = (0.1, 1.0)  # of AdamW, times its step size
PULLS = (0.01, 0.1, 1.0)
MOST_TASKS = 256  # of one step
MOST_SLOPES = 64  # inputs that may have a slope for each task in a mixed model
MOST_BALANCED = 32  # tasks for which UPGrad takes no more time than all the rest
SHARED = "shared body"
KURIN = "Kurin et al. 2022, In Defense of the Unitary Scalarization"


def networks(
    method: AbstractMethod,
    *,
    num_tasks: int,
    model: Callable[..., Any] | None = None,
    steps: int = 300,
    lrs: Sequence[float] = LRS,
    decays: Sequence[float] = DECAYS,
) -> tuple[AbstractLearner, ...]:
    """Trainings by AdamW on all tasks at once, for each step size and each decay; the model that is
    best on validation rows on the way is what is learnt."""
    options: dict[str, Any] = {} if model is None else {"model": model}
    options |= {
        "steps": steps,
        "tasks_per_step": min(num_tasks, MOST_TASKS),
        "keep_best": method.loss,  # pyright: ignore[reportAttributeAccessIssue]  # all of these have
        "look_every": max(1, steps // 30),
    }
    return tuple(
        ByGradient(method, lr=lr, decay=decay, **options) for lr in lrs for decay in decays
    )


def balanced(
    name: str,
    method: AbstractMethod,
    source: str,
    *,
    num_tasks: int,
    steps: int = 300,
    lrs: Sequence[float] = LRS,
    quick: bool = False,
) -> Recipe:
    """A shared body trained by a balancer, with the grid of all other networks."""
    learners = networks(method, num_tasks=num_tasks, model=Heads(num_tasks), steps=steps, lrs=lrs)
    return Recipe(f"{SHARED} + {name}", Setting.MULTI_TASK, learners, source=source, quick=quick)


def standard(
    num_tasks: int,
    num_inputs: int,
    *,
    classes: bool = False,
    steps: int = 300,
    lrs: tuple[float, ...] = LRS,
) -> list[Recipe]:
    """All recipes for the rows of a table, in the order of the page.

    **Arguments:**

    - `num_tasks`, `num_inputs`: how many there are. `classes`: whether targets are classes.
    - `steps`: of training of a network.
    - `lrs`: step sizes to choose from, each with each of `DECAYS`.

    >>> import learnset as ls
    >>> [recipe.name for recipe in ls.recipes.rows.standard(139, 27)][:2]
    ['mean of each task', 'ridge per task']
    """
    loss = cross_entropy if classes else mse
    heads, each = Heads(num_tasks), OneEach(num_tasks)
    sizes: dict[str, Any] = {"num_tasks": num_tasks, "steps": steps, "lrs": lrs}
    alone, pooled, together = Setting.SCRATCH, Setting.POOLED, Setting.MULTI_TASK

    def recipe(
        name: str, setting: Setting, learners: tuple, source: str, quick: bool = True
    ) -> Recipe:
        baseline = setting is Setting.SCRATCH
        return Recipe(name, setting, learners, source=source, quick=quick, baseline=baseline)

    soft = tuple(
        learner
        for pull in PULLS
        for learner in networks(SoftSharing(loss, to_mean=pull), model=each, decays=(0.0,), **sizes)
    )
    mixed = tuple(
        InClosedForm(MixedModel(slopes))
        for slopes in ((False, True) if num_inputs <= MOST_SLOPES else (False,))
    )
    lasso = tuple(InClosedForm(MultiTaskLasso(alpha)) for alpha in ALPHAS)
    one_model = "one model, as if there were one task"
    famo = balanced(
        "FAMO", FAMO(loss, num_tasks=num_tasks), "Liu et al. 2023, FAMO", quick=True, **sizes
    )
    upgrad = balanced("UPGrad", UPGrad(loss), "Quinton & Rey 2024, Jacobian Descent", **sizes)
    means = (InClosedForm(RidgePerTask(1e9)),)
    of_each = networks(Pooled(loss), model=each, **sizes)
    of_all = networks(Pooled(loss), **sizes)
    shared = networks(Mean(loss), model=heads, **sizes)
    return [
        recipe("mean of each task", Setting.BOUND, means, "no inputs at all", quick=False),
        recipe("ridge per task", alone, _solved(RidgePerTask), "Hoerl & Kennard 1970"),
        recipe("network per task", alone, of_each, "learning each task alone"),
        recipe("pooled ridge", pooled, _solved(PooledRidge), one_model),
        recipe("pooled network", pooled, of_all, one_model),
        recipe("ridge with offsets", together, _solved(OffsetRidge), "an offset for each task"),
        recipe("mixed model", together, mixed, "Laird & Ware 1982, Random-effects models"),
        recipe("multi-task lasso", together, lasso, "Obozinski et al. 2010", quick=False),
        recipe(SHARED, together, shared, f"Caruana 1997; uniform sum: {KURIN}"),
        famo,
        *([upgrad] if num_tasks <= MOST_BALANCED else []),
        recipe(
            "soft sharing",
            together,
            soft,
            "Evgeniou & Pontil 2004, Regularized Multi-Task Learning",
            quick=False,
        ),
    ]


def _solved(solver: Callable[[float], AbstractSolver]) -> tuple[AbstractLearner, ...]:
    return tuple(InClosedForm(solver(l2)) for l2 in L2S)
