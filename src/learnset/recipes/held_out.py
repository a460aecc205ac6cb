"""The standard recipes for tasks of a table that are held out."""

from typing import Any

import equinox as eqx
import optax
from jaxtyping import Array, Key

from ..comparison import ByGradient, ByTrees, InClosedForm, NothingLearnt, Recipe, Setting
from ..core import (
    AbstractAdapter,
    cross_entropy,
    mse,
)
from ..meta import LearntRidge, MAML, R2D2
from ..models import Headed, Linear, Raw, SharedBody
from ..multitask import BLUP, Boosting, MixedModel, PooledRidge
from ..tasks import FiniteTasks, HeldOutTasks
from ..transfer import Pooled, Ridge, RidgeToHead, Shrunk, ShrunkOffset, StoppedFineTune
from .regression import CARUANA, FINN, FRIEDMAN, Heads
from .rows import MOST_SLOPES

L2S = (0.1, 1.0, 10.0, 100.0, 1000.0)
LRS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
ADAM = (0.003, 0.01, 0.03)  # step sizes of Adam
OFFSETS = (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)  # points by which an offset is shrunk
SCALES = (0.3, 1.0, 3.0, 10.0, 30.0, 300.0)
SHRINKING = (0.0, 2.0, 20.0)  # points by which all answers are shrunk
ROBINSON = "Robinson 1991, That BLUP is a good thing"


def standard(
    tasks: HeldOutTasks, *, classes: bool = False, steps: int = 50, quick: bool = False
) -> list[Recipe]:
    """All recipes for tasks that are held out, in the order of the page.

    **Arguments:**

    - `tasks`: as they are compared on. `classes`: whether targets are classes.
    - `steps`: of gradient descent on a new task. `quick`: whether there are few candidates.
    """
    loss = cross_entropy if classes else mse
    of_adam, of_descent = (ADAM[1:], LRS[1::2]) if quick else (ADAM, LRS)
    adam = tuple(StoppedFineTune(loss, lr, 4 * steps, optimiser=optax.adam) for lr in of_adam)
    tuned = tuple(StoppedFineTune(loss, lr, steps) for lr in of_descent)
    ridges = tuple(Ridge(l2) for l2 in L2S)
    # A head of logits is no prior of a regression on zeros and ones.
    to_head = ridges if classes else tuple(RidgeToHead(l2) for l2 in (*L2S, 1e4, 1e5))
    learnt: tuple[AbstractAdapter, ...] = tuple(LearntRidge(s, classes) for s in SCALES)
    if not classes:
        scales = SCALES[::2] if quick else SCALES
        learnt = tuple(Shrunk(LearntRidge(scale), l2) for scale in scales for l2 in SHRINKING)
    inputs = NothingLearnt(OfInputs(tasks.train.y.shape[-1]))
    body = ByGradient(
        Pooled(loss),
        model=Heads(len(tasks.train.weight)),
        past=numbered,
        finish=None if classes else with_mean_head,
    )
    pooled, maml, r2d2 = (
        (ByGradient(method),)
        for method in (Pooled(loss), MAML(loss, 0.05), R2D2(loss, every_class=classes))
    )
    offsets, slopes = ((InClosedForm(MixedModel(slopes)),) for slopes in (False, True))
    linear = tuple(InClosedForm(PooledRidge(l2)) for l2 in L2S)
    trees = tuple(
        ByTrees(Boosting(0.1, leaves, task=False)) for leaves in ((8,) if quick else (8, 31))
    )
    scratch, transfer, together = Setting.SCRATCH, Setting.TRANSFER, Setting.MULTI_TASK
    pretraining, alike = "pretraining on all tasks", "one model, as if there were one task"
    first: dict[str, Any] = {"quick": True, "baseline": True}
    with_slopes = Recipe("mixed model + slopes", together, slopes, (BLUP(),), ROBINSON)
    shrunk = tuple(ShrunkOffset(l2) for l2 in OFFSETS)
    of_trees = Recipe("boosting + shrunken offset", transfer, trees, shrunk, FRIEDMAN, quick=True)
    return [
        Recipe("ridge from scratch", scratch, (inputs,), ridges, "Hoerl & Kennard 1970", **first),
        Recipe("network from scratch", scratch, adapters=adam, source="no past tasks", **first),
        Recipe("pooled ridge", Setting.POOLED, linear, source=alike),
        Recipe("pooled boosting", Setting.POOLED, trees, source=FRIEDMAN),
        *([] if classes else [of_trees]),
        Recipe("pooled network", transfer, pooled, tuned, pretraining, quick=True),
        Recipe("pooled + ridge head", transfer, pooled, to_head, pretraining, quick=True),
        Recipe("mixed model", together, offsets, (BLUP(),), ROBINSON, quick=True),
        *([with_slopes] if tasks.train.x.shape[-1] <= MOST_SLOPES else []),
        Recipe("shared body + ridge head", together, (body,), to_head, CARUANA),
        Recipe("MAML", Setting.META, maml, tuned, FINN),
        Recipe("R2D2", Setting.META, r2d2, learnt, "Bertinetto et al. 2019", quick=True),
    ]


class OfInputs(eqx.Module):
    """Makes a linear head on inputs as they are."""

    out: int

    def __call__(self, model: Any, key: Key[Array, ""]) -> Headed:
        return Headed(Raw(), Linear(model.layers[0].weight.shape[0], self.out, key=key))


def with_mean_head(model: SharedBody, tasks: Any, key: Key[Array, ""]) -> SharedBody:
    """A shared body whose head for a new task is the mean of all heads."""
    del tasks, key
    return model.with_mean_head()


def numbered(tasks: HeldOutTasks, key: Key[Array, ""]) -> FiniteTasks:
    """The training tasks as a numbered set."""
    del key
    return tasks.numbered()
