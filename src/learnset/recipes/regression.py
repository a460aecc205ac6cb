"""The standard recipes: each names a training method, the adapters to choose from, and its source.

Step sizes and penalties are grids, from which `compare` chooses on validation tasks, for each number of shots. In all
of them `steps` is the number of gradient steps on a new task.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
import optax
from jaxtyping import Array, Key

from ..comparison import Numbered, Recipe, Setting
from ..core import AbstractAdapter, AbstractMethod, head, Model, mse, whole
from ..meta import (
    ANIL,
    CAVIA,
    CNP,
    ContextDescent,
    IMAML,
    LearntRidge,
    MAML,
    MetaSGD,
    ProximalDescent,
    R2D2,
    RatedDescent,
    Reptile,
    WithContext,
    WithRates,
    WithRidge,
)
from ..models import ConditionalNeuralProcess, separate, SharedBody
from ..multitask import FAMO, IMTLG, NashMTL, SoftSharing, UPGrad, UW
from ..tasks import Revealed
from ..transfer import AsIs, Constant, FineTune, Pooled, Ridge, Unroll

LRS = tuple(float(lr) for lr in np.geomspace(1e-3, 0.1, 5).round(5))
L2S = tuple(float(l2) for l2 in np.geomspace(1e-3, 10, 5).round(5))
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
QUICK = (  # those that `--quick` has time for: each setting by its best-known members
    "scratch",
    "transfer, all pooled",
    "transfer, ridge head",
    "multi-task, new head",
    "MAML",
    "ANIL",
    "R2D2",
    "oracle",
    "single-task",
    "multi-task",
)
FINN = "Finn, Abbeel & Levine 2017, MAML"


def scratch(*, steps: int = 500) -> Recipe:
    """No past tasks: gradient descent or Adam from the initial model, whichever is better on validation tasks, and with
    many more steps than the others, because it needs them."""
    descent = tuple(FineTune(mse, lr, steps) for lr in (0.003, 0.01, 0.03))
    adam = tuple(FineTune(mse, lr, steps, optimiser=optax.adam) for lr in (0.003, 0.01, 0.03))
    return Recipe("scratch", Setting.SCRATCH, descent + adam, source="learning from scratch")


def transfer_one(*, steps: int = 50, points: int = 200) -> Recipe:
    """Pretraining on a single source task with many points, then fine-tuning everything."""
    return Recipe(
        "transfer, one source",
        Setting.TRANSFER,
        _fine_tune(steps),
        Pooled(mse),
        training_tasks=Numbered(1, points),
        source="Yosinski et al. 2014, How transferable are features",
    )


def transfer_pooled(*, steps: int = 50) -> Recipe:
    """Pretraining on all tasks pooled, then fine-tuning everything."""
    return Recipe(
        "transfer, all pooled",
        Setting.TRANSFER,
        _fine_tune(steps),
        Pooled(mse),
        source=f"{FINN}, §5.1",
    )


def transfer_head(*, steps: int = 50) -> Recipe:
    """Pretraining on all tasks pooled, then fine-tuning the head alone."""
    candidates = tuple(FineTune(mse, lr, steps, where=head) for lr in LRS)
    source = "Yosinski et al. 2014, frozen features"
    return Recipe("transfer, head only", Setting.TRANSFER, candidates, Pooled(mse), source=source)


def transfer_ridge() -> Recipe:
    """Pretraining on all tasks pooled, then a ridge head."""
    candidates = tuple(Ridge(l2) for l2 in L2S)
    return Recipe(
        "transfer, ridge head",
        Setting.TRANSFER,
        candidates,
        Pooled(mse),
        source="Hoerl & Kennard 1970",
    )


def single_task(*, num_tasks: int = 100, points: int = 10) -> Recipe:
    """A network of its own for each numbered task, scored on those tasks: what multi-task learning is paired with."""
    return Recipe(
        "single-task",
        Setting.SCRATCH,
        (AsIs(),),
        SoftSharing(mse),
        model=Apart(num_tasks),
        training_tasks=Numbered(num_tasks, points),
        on_seen=True,
        source="learning each task alone",
    )


def multi_task(*, num_tasks: int = 100, points: int = 10) -> Recipe:
    """A shared body with a head for each numbered task, scored on those tasks: what the setting asks for."""
    return Recipe(
        "multi-task",
        Setting.MULTI_TASK,
        (AsIs(),),
        Pooled(mse),
        model=Heads(num_tasks),
        training_tasks=Numbered(num_tasks, points),
        on_seen=True,
        source="Caruana 1997, Multitask Learning",
    )


def balanced(
    name: str, method: AbstractMethod, *, source: str, num_tasks: int = 100, points: int = 10
) -> Recipe:
    """`multi_task` with another way to weigh the tasks: any balancer, under the same budget as the mean.

    >>> import learnset as ls
    >>> ls.recipes.regression.balanced("multi-task, GLS", ls.multitask.GLS(), source="Chennupati et al. 2019").name
    'multi-task, GLS'
    """
    like = multi_task(num_tasks=num_tasks, points=points)
    return dataclasses.replace(like, name=name, method=method, source=source)


def uw(*, num_tasks: int = 100, points: int = 10) -> Recipe:
    """Multi-task learning with learnt uncertainties."""
    method = UW(mse, num_tasks=num_tasks)
    return balanced(
        "multi-task, UW", method, source="Kendall et al. 2018", num_tasks=num_tasks, points=points
    )


def famo(*, num_tasks: int = 100, points: int = 10) -> Recipe:
    """Multi-task learning in which all losses fall at one rate."""
    method = FAMO(mse, num_tasks=num_tasks)
    return balanced(
        "multi-task, FAMO", method, source="Liu et al. 2023", num_tasks=num_tasks, points=points
    )


def imtl_g(*, num_tasks: int = 100, points: int = 10) -> Recipe:
    """Multi-task learning whose step goes equally far along each task's gradient."""
    source = "Liu et al. 2021, Impartial MTL"
    return balanced(
        "multi-task, IMTL-G", IMTLG(mse), source=source, num_tasks=num_tasks, points=points
    )


def nash_mtl(*, num_tasks: int = 100, points: int = 10) -> Recipe:
    """Multi-task learning as bargaining."""
    source = "Navon et al. 2022"
    return balanced(
        "multi-task, Nash-MTL", NashMTL(mse), source=source, num_tasks=num_tasks, points=points
    )


def upgrad(*, num_tasks: int = 100, points: int = 10) -> Recipe:
    """Multi-task learning whose steps are in conflict with no task."""
    source = "Quinton & Rey 2024"
    return balanced(
        "multi-task, UPGrad", UPGrad(mse), source=source, num_tasks=num_tasks, points=points
    )


def balancers(*, num_tasks: int = 100, points: int = 10) -> list[Recipe]:
    """Multi-task learning by the mean of the tasks' losses, and by five well-known balancers. Those are not among the
    `standard` recipes: they are for tasks that are all known.

    **Arguments:** `num_tasks`, `points`: of the fixed set that they solve.
    """
    makers = (multi_task, uw, famo, imtl_g, nash_mtl, upgrad)
    return [make(num_tasks=num_tasks, points=points) for make in makers]


def multi_task_new(
    *, steps: int = 50, num_tasks: int = 100, points: int = 10, body: bool = True
) -> Recipe:
    """The multi-task body on a new task, through a fresh head; the body moves as well, or is frozen."""
    where = whole if body else head
    return Recipe(
        "multi-task, new head" if body else "multi-task, frozen body",
        Setting.MULTI_TASK,
        tuple(FineTune(mse, lr, steps, where=where) for lr in LRS),
        Pooled(mse),
        model=Heads(num_tasks),
        training_tasks=Numbered(num_tasks, points),
        source="Caruana 1997, Multitask Learning",
    )


def averaged(
    name: str,
    *,
    to_zero: float = 0.0,
    to_mean: float = 0.0,
    steps: int = 50,
    num_tasks: int = 100,
    points: int = 20,
) -> Recipe:
    """Separate networks, pulled together by a penalty or not, averaged and then fine-tuned."""
    return Recipe(
        name,
        Setting.MULTI_TASK,
        _fine_tune(steps),
        SoftSharing(mse, to_zero, to_mean),
        model=Apart(num_tasks),
        training_tasks=Numbered(num_tasks, points),
        source=f"{FINN}, appendix C",
    )


def maml(*, steps: int = 50, inner_lr: float = 0.01) -> Recipe:
    """Second-order MAML with one inner step."""
    return Recipe(
        "MAML", Setting.META, _fine_tune(steps), MAML(mse, inner_lr), source=f"{FINN}, algorithm 2"
    )


def fomaml(*, steps: int = 50, inner_lr: float = 0.01) -> Recipe:
    """First-order MAML."""
    method = MAML(mse, inner_lr, unroll=Unroll.FIRST_ORDER)
    return Recipe("FOMAML", Setting.META, _fine_tune(steps), method, source=f"{FINN}, §5.2")


def reptile(*, steps: int = 50) -> Recipe:
    """Reptile with five inner steps of ten points."""
    return Recipe(
        "Reptile", Setting.META, _fine_tune(steps), Reptile(mse), source="Nichol et al. 2018"
    )


def anil(*, steps: int = 50, inner_lr: float = 0.1) -> Recipe:
    """MAML with the head alone in the inner loop."""
    candidates = tuple(FineTune(mse, lr, steps, where=head) for lr in LRS)
    return Recipe("ANIL", Setting.META, candidates, ANIL(mse, inner_lr), source="Raghu et al. 2020")


def meta_sgd(*, steps: int = 50) -> Recipe:
    """MAML with learnt step sizes; on a new task they are scaled together."""
    candidates = tuple(RatedDescent(mse, steps, scale) for scale in SCALES)
    return Recipe(
        "Meta-SGD", Setting.META, candidates, MetaSGD(mse), model=rated, source="Li et al. 2017"
    )


def cavia(*, steps: int = 50) -> Recipe:
    """Five context inputs, and only they adapt."""
    candidates = tuple(ContextDescent(mse, 10 * lr, steps) for lr in LRS)
    return Recipe(
        "CAVIA",
        Setting.META,
        candidates,
        CAVIA(mse),
        model=contextual,
        source="Zintgraf et al. 2019",
    )


def imaml(*, steps: int = 50) -> Recipe:
    """Implicit MAML."""
    method = IMAML(mse)
    candidates = tuple(ProximalDescent(mse, lr, steps, method.proximity) for lr in LRS)
    return Recipe("iMAML", Setting.META, candidates, method, source="Rajeswaran et al. 2019")


def r2d2() -> Recipe:
    """Learnt features with a ridge head; on a new task its learnt penalty is scaled."""
    candidates = tuple(LearntRidge(scale) for scale in SCALES)
    return Recipe(
        "R2D2", Setting.META, candidates, R2D2(mse), model=ridged, source="Bertinetto et al. 2019"
    )


def cnp() -> Recipe:
    """A conditional neural process: no steps and nothing to choose."""
    method = CNP()
    return Recipe(
        "CNP",
        Setting.META,
        (method.adapter,),
        method,
        model=amortised,
        source="Garnelo et al. 2018",
    )


def oracle() -> Recipe:
    """Told what each task was made from: the upper bound."""
    source = f"{FINN}, §5.1 (oracle)"
    return Recipe(
        "oracle",
        Setting.BOUND,
        (AsIs(),),
        Pooled(mse),
        model=Informed(2),
        view=Revealed,
        source=source,
    )


def constant(value: float) -> Recipe:
    """The same answer for everything: on tasks that share nothing, nothing is better than their mean."""
    return Recipe(
        "best constant", Setting.BOUND, (Constant(value),), source="the mean of all targets"
    )


def standard(
    *, steps: int = 50, num_tasks: int = 100, points: int = 10, latents: int = 0
) -> list[Recipe]:
    """The recipes above, in the order of the table; balancers other than the mean are in `balancers`.

    **Arguments:**

    - `steps`: gradient steps on a new task.
    - `num_tasks`, `points`: of the fixed set that multi-task learning solves.
    - `latents`: how many numbers the oracle is told; there is no oracle for 0.
    """
    finite: dict[str, Any] = {"num_tasks": num_tasks, "points": points}
    everyone = [
        scratch(steps=10 * steps),
        transfer_one(steps=steps),
        transfer_pooled(steps=steps),
        transfer_head(steps=steps),
        transfer_ridge(),
        multi_task_new(steps=steps, **finite),
        multi_task_new(steps=steps, body=False, **finite),
        averaged("averaged", steps=steps, **finite),
        averaged("averaged, l2", to_zero=1e-3, steps=steps, **finite),
        averaged("averaged, to the mean", to_mean=1e-2, steps=steps, **finite),
        maml(steps=steps),
        fomaml(steps=steps),
        reptile(steps=steps),
        anil(steps=steps),
        meta_sgd(steps=steps),
        cavia(steps=steps),
        imaml(steps=steps),
        r2d2(),
        cnp(),
    ]
    bound = [] if latents == 0 else [eqx.tree_at(lambda r: r.model, oracle(), Informed(latents))]
    return everyone + bound + [single_task(**finite), multi_task(**finite)]


def _fine_tune(steps: int, lrs: Sequence[float] = LRS) -> tuple[AbstractAdapter, ...]:
    return tuple(FineTune(mse, lr, steps) for lr in lrs)


class Heads(eqx.Module):
    """Makes a shared body of a model."""

    num_tasks: int

    def __call__(self, model: Model, key: Key[Array, ""]) -> SharedBody:
        return SharedBody(model, num_tasks=self.num_tasks, key=key)


class Apart(eqx.Module):
    """Makes separate models, all of which begin as the given one: only then can their average mean anything."""

    num_tasks: int

    def __call__(self, model: Model, key: Key[Array, ""]) -> Any:
        return separate(lambda _: model, self.num_tasks, key=key)


class Informed(eqx.Module):
    """Makes a model take more inputs."""

    extra: int

    def __call__(self, model: Any, key: Key[Array, ""]) -> Model:
        return model.extend_inputs(self.extra, key=key)


def rated(model: Model, key: Key[Array, ""]) -> WithRates:
    """The model of Meta-SGD."""
    return WithRates(model)


def contextual(model: Any, key: Key[Array, ""]) -> WithContext:
    """The model of CAVIA."""
    return WithContext(model.extend_inputs(5, key=key), 5)


def ridged(model: Model, key: Key[Array, ""]) -> WithRidge:
    """The model of R2D2."""
    return WithRidge(model)


def amortised(model: Any, key: Key[Array, ""]) -> ConditionalNeuralProcess:
    """The model of a conditional neural process. It cannot begin as the others do, for it is built otherwise."""
    in_size, out_size = model.layers[0].weight.shape[-2], model.head.bias.shape[-1]
    return ConditionalNeuralProcess(in_size, out_size, key=key)
