"""The standard recipes of regression: each names what is learnt, the adapters to choose from, and
its source.

Step sizes and penalties are grids, from which `compare` chooses on validation tasks, for each seed
and number of shots. In all of them `steps` is the number of gradient steps on a new task.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
import optax
from jaxtyping import Array, Key

from ..comparison import ByGradient, FixedTasks, Recipe, Setting
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
)
from ..models import (
    AbstractMerging,
    Arithmetic,
    DARE,
    separate,
    SharedBody,
    TaskVectors,
    TIES,
)
from ..multitask import FAMO, IMTLG, NashMTL, SoftSharing, UPGrad, UW
from ..tasks import Revealed
from ..transfer import Constant, FineTune, L2SP, LoRA, LPFT, Pooled, Ridge, Unroll

LRS = tuple(float(lr) for lr in np.geomspace(1e-3, 0.1, 5).round(5))
L2S = tuple(float(l2) for l2 in np.geomspace(1e-3, 10, 5).round(5))
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
FINN = "Finn, Abbeel & Levine 2017, MAML"
CARUANA = "Caruana 1997, Multitask Learning"
FRIEDMAN = "Friedman 2001, gradient boosting; scikit-learn"
YOSINSKI = "Yosinski et al. 2014, How transferable are features"

# New tasks


def scratch(*, steps: int = 500) -> Recipe:
    """Learning from scratch: gradient descent or Adam from the initial model, whichever is better
    on validation tasks, with many more steps than the others have, because it needs them."""
    descent = tuple(FineTune(mse, lr, steps) for lr in (0.003, 0.01, 0.03))
    adam = tuple(FineTune(mse, lr, steps, optimiser=optax.adam) for lr in (0.003, 0.01, 0.03))
    return Recipe(
        "scratch",
        Setting.SCRATCH,
        adapters=descent + adam,
        source="learning from scratch",
        quick=True,
        baseline=True,
    )


def transfer_one(*, steps: int = 50, points: int = 200) -> Recipe:
    """Pretraining on a single source task with many points, then fine-tuning everything."""
    learner = ByGradient(Pooled(mse), past=FixedTasks(1, points))
    return Recipe(
        "one source + fine-tuning", Setting.TRANSFER, (learner,), _fine_tune(steps), YOSINSKI
    )


def transfer_pooled(*, steps: int = 50) -> Recipe:
    """Pretraining on all tasks pooled, then fine-tuning everything."""
    return _pretrained("pooled + fine-tuning", _fine_tune(steps), f"{FINN}, §5.1", quick=True)


def transfer_head(*, steps: int = 50) -> Recipe:
    """Pretraining on all tasks pooled, then fine-tuning the head alone."""
    return _pretrained("pooled + head only", _fine_tune(steps, where=head), YOSINSKI)


def transfer_ridge() -> Recipe:
    """Pretraining on all tasks pooled, then a ridge head."""
    ridges = tuple(Ridge(l2) for l2 in L2S)
    return _pretrained("pooled + ridge head", ridges, "Hoerl & Kennard 1970", quick=True)


def transfer_tuned(*, steps: int = 50) -> list[Recipe]:
    """Pretraining on all tasks pooled, then fine-tuning that is pulled back, that begins with a
    ridge head, or of a low-rank change."""
    pulled = tuple(FineTune(mse, 0.01, steps, penalty=L2SP(s)) for s in (0.01, 0.1, 1.0))
    probed = tuple(LPFT(Ridge(l2), FineTune(mse, 0.001, steps)) for l2 in L2S)
    lora = tuple(LoRA(mse, lr, steps) for lr in LRS)
    return [
        _pretrained("pooled + L2-SP", pulled, "Li, Grandvalet & Davoine 2018, L2-SP"),
        _pretrained("pooled + LP-FT", probed, "Kumar et al. 2022, LP-FT"),
        _pretrained("pooled + LoRA", lora, "Hu et al. 2022, LoRA"),
    ]


def multi_task_new(
    *, steps: int = 50, num_tasks: int = 100, points: int = 10, body: bool = True
) -> Recipe:
    """The multi-task body on a new task, through a fresh head; the body moves as well, or is
    frozen."""
    learner = ByGradient(Pooled(mse), model=Heads(num_tasks), past=FixedTasks(num_tasks, points))
    return Recipe(
        "multi-task + new head" if body else "multi-task + frozen body",
        Setting.MULTI_TASK,
        (learner,),
        _fine_tune(steps, where=whole if body else head),
        CARUANA,
        quick=body,
    )


def averaged(
    name: str = "averaged",
    *,
    to_zero: float = 0.0,
    to_mean: float = 0.0,
    steps: int = 50,
    num_tasks: int = 100,
    points: int = 20,
) -> Recipe:
    """Separate networks, pulled together by a penalty or not, averaged and then fine-tuned."""
    learner = ByGradient(
        SoftSharing(mse, to_zero, to_mean),
        model=OneEach(num_tasks),
        past=FixedTasks(num_tasks, points),
    )
    return Recipe(name, Setting.MULTI_TASK, (learner,), _fine_tune(steps), f"{FINN}, appendix C")


def maml(*, steps: int = 50, inner_lr: float = 0.01) -> Recipe:
    """MAML: second-order, with one inner step."""
    method, source = MAML(mse, inner_lr), f"{FINN}, algorithm 2"
    return meta("MAML", method, _fine_tune(steps), source, quick=True)


def fomaml(*, steps: int = 50, inner_lr: float = 0.01) -> Recipe:
    """First-order MAML."""
    method = MAML(mse, inner_lr, unroll=Unroll.FIRST_ORDER)
    return meta("FOMAML", method, _fine_tune(steps), f"{FINN}, §5.2")


def reptile(*, steps: int = 50) -> Recipe:
    """Reptile with five inner steps of ten points."""
    return meta("Reptile", Reptile(mse), _fine_tune(steps), "Nichol et al. 2018")


def anil(*, steps: int = 50, inner_lr: float = 0.1) -> Recipe:
    """ANIL: MAML with the head alone in the inner loop."""
    adapters = _fine_tune(steps, where=head)
    return meta("ANIL", ANIL(mse, inner_lr), adapters, "Raghu et al. 2020", quick=True)


def meta_sgd(*, steps: int = 50) -> Recipe:
    """Meta-SGD: MAML with learnt step sizes; on a new task they are scaled together."""
    adapters = tuple(RatedDescent(mse, steps, scale) for scale in SCALES)
    return meta("Meta-SGD", MetaSGD(mse), adapters, "Li et al. 2017")


def cavia(*, steps: int = 50) -> Recipe:
    """CAVIA: five context inputs, and only they adapt."""
    adapters = tuple(ContextDescent(mse, 10 * lr, steps) for lr in LRS)
    return meta("CAVIA", CAVIA(mse), adapters, "Zintgraf et al. 2019")


def imaml(*, steps: int = 50) -> Recipe:
    """Implicit MAML."""
    method = IMAML(mse)
    adapters = tuple(ProximalDescent(mse, lr, steps, method.proximity) for lr in LRS)
    return meta("iMAML", method, adapters, "Rajeswaran et al. 2019")


def r2d2() -> Recipe:
    """R2D2: learnt features with a ridge head; on a new task its learnt penalty is scaled."""
    adapters = tuple(LearntRidge(scale) for scale in SCALES)
    return meta("R2D2", R2D2(mse), adapters, "Bertinetto et al. 2019", quick=True)


def cnp() -> Recipe:
    """A conditional neural process: no steps, and nothing to choose."""
    method = CNP()
    return meta("CNP", method, (method.adapter,), "Garnelo et al. 2018")


def oracle(latents: int = 2) -> Recipe:
    """The oracle: a model that receives what each task was made from, as an upper bound."""
    learner = ByGradient(Pooled(mse), model=Informed(latents))
    source = f"{FINN}, §5.1 (oracle)"
    return Recipe("oracle", Setting.BOUND, (learner,), source=source, view=Revealed, quick=True)


def constant(value: float) -> Recipe:
    """The same answer for everything: on tasks that share nothing, nothing is better than their
    mean."""
    source = "the mean of all targets"
    adapters = (Constant(value),)
    return Recipe("best constant", Setting.BOUND, adapters=adapters, source=source, quick=True)


def standard(
    *, steps: int = 50, num_tasks: int = 100, points: int = 10, latents: int = 0
) -> list[Recipe]:
    """All recipes for new tasks, in the order of the table.

    **Arguments:**

    - `steps`: gradient steps on a new task.
    - `num_tasks`, `points`: of the fixed set that multi-task learning solves.
    - `latents`: how many numbers the oracle receives; there is no oracle for 0.
    """
    fixed: dict[str, Any] = {"num_tasks": num_tasks, "points": points}
    everyone = [
        scratch(steps=10 * steps),
        transfer_one(steps=steps),
        transfer_pooled(steps=steps),
        transfer_head(steps=steps),
        transfer_ridge(),
        *transfer_tuned(steps=steps),
        multi_task_new(steps=steps, **fixed),
        multi_task_new(steps=steps, body=False, **fixed),
        averaged(steps=steps, **fixed),
        averaged("averaged + l2", to_zero=1e-3, steps=steps, **fixed),
        averaged("averaged + pull to the mean", to_mean=1e-2, steps=steps, **fixed),
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
    return everyone + ([oracle(latents)] if latents else [])


# Seen tasks


def single_task(*, num_tasks: int = 100) -> Recipe:
    """One network for each task: the baseline of multi-task learning."""
    learner = ByGradient(SoftSharing(mse), model=OneEach(num_tasks))
    source = "learning each task alone"
    return Recipe(
        "single-task", Setting.SCRATCH, (learner,), source=source, quick=True, baseline=True
    )


def multi_task(*, num_tasks: int = 100) -> Recipe:
    """A shared body with a head for each task."""
    return balanced("multi-task", Pooled(mse), source=CARUANA, num_tasks=num_tasks, quick=True)


def balanced(
    name: str, method: AbstractMethod, *, source: str, num_tasks: int = 100, quick: bool = False
) -> Recipe:
    """`multi_task` with another way to weigh the tasks: any balancer, under the same budget.

    >>> import learnset as ls
    >>> gls, source = ls.multitask.GLS(), "Chennupati et al. 2019"
    >>> ls.recipes.regression.balanced("multi-task + GLS", gls, source=source).name
    'multi-task + GLS'
    """
    learner = ByGradient(method, model=Heads(num_tasks))
    return Recipe(name, Setting.MULTI_TASK, (learner,), source=source, quick=quick)


def seen(*, num_tasks: int = 100) -> list[Recipe]:
    """The recipes for tasks that are trained on: one network for each, and a shared body."""
    return [single_task(num_tasks=num_tasks), multi_task(num_tasks=num_tasks)]


def balancers(*, num_tasks: int = 100) -> list[Recipe]:
    """Multi-task learning by the mean of the tasks' losses, and by five well-known balancers.

    **Arguments:** `num_tasks`: of the set that is learnt.
    """
    methods = {
        "UW": (UW(mse, num_tasks=num_tasks), "Kendall et al. 2018"),
        "FAMO": (FAMO(mse, num_tasks=num_tasks), "Liu et al. 2023"),
        "IMTL-G": (IMTLG(mse), "Liu et al. 2021, Impartial MTL"),
        "Nash-MTL": (NashMTL(mse), "Navon et al. 2022"),
        "UPGrad": (UPGrad(mse), "Quinton & Rey 2024"),
    }
    return [multi_task(num_tasks=num_tasks)] + [
        balanced(f"multi-task + {name}", method, source=source, num_tasks=num_tasks)
        for name, (method, source) in methods.items()
    ]


def merged(*, num_tasks: int = 100) -> list[Recipe]:
    """Multi-task learning by merging: a network for each task, all of which start from one that is
    pretrained on all tasks, merged into one body; each task keeps its head.

    **Arguments:** `num_tasks`: of the set that is learnt.

    >>> import learnset as ls
    >>> [recipe.name for recipe in ls.recipes.regression.merged(num_tasks=5)]
    ['task vectors', 'task vectors + TIES', 'task vectors + DARE']
    """
    scales = (1 / num_tasks, 0.3)
    merging: dict[str, tuple[tuple[AbstractMerging, ...], str]] = {
        "task vectors": (tuple(Arithmetic(s) for s in scales), "Ilharco et al. 2023"),
        "task vectors + TIES": (tuple(TIES(s) for s in (0.3, 1.0)), "Yadav et al. 2023"),
        "task vectors + DARE": (tuple(DARE(Arithmetic(s)) for s in scales), "Yu et al. 2024"),
    }
    start = Recipe("pooled", Setting.TRANSFER, (ByGradient(Pooled(mse)),))

    def learner(way: AbstractMerging) -> ByGradient:
        return ByGradient(Pooled(mse), model=FromOne(num_tasks), finish=Merge(way))

    return [
        Recipe(name, Setting.MULTI_TASK, tuple(map(learner, ways)), source=source, start=start)
        for name, (ways, source) in merging.items()
    ]


# Parts


def meta(
    name: str,
    method: AbstractMethod,
    adapters: tuple[AbstractAdapter, ...],
    source: str,
    *,
    quick: bool = False,
) -> Recipe:
    """A recipe of meta-learning: a method, and the adapters that start from what it learnt."""
    return Recipe(name, Setting.META, (ByGradient(method),), adapters, source, quick=quick)


def _pretrained(
    name: str, adapters: tuple[AbstractAdapter, ...], source: str, *, quick: bool = False
) -> Recipe:
    learner = ByGradient(Pooled(mse))
    return Recipe(name, Setting.TRANSFER, (learner,), adapters, source, quick=quick)


def _fine_tune(
    steps: int, lrs: Sequence[float] = LRS, **options: Any
) -> tuple[AbstractAdapter, ...]:
    return tuple(FineTune(mse, lr, steps, **options) for lr in lrs)


class Heads(eqx.Module):
    """Makes a shared body of a model, with a head for each task."""

    num_tasks: int

    def __call__(self, model: Model, key: Key[Array, ""]) -> SharedBody:
        return SharedBody(model, num_tasks=self.num_tasks, key=key)


class OneEach(eqx.Module):
    """Makes a model for each task, all of which begin as the given one: only then can their average
    mean anything."""

    num_tasks: int

    def __call__(self, model: Model, key: Key[Array, ""]) -> Any:
        return separate(lambda _: model, self.num_tasks, key=key)


class FromOne(eqx.Module):
    """Makes a model for each task, all of which begin as the given one, which is kept."""

    num_tasks: int

    def __call__(self, model: Model, key: Key[Array, ""]) -> TaskVectors:
        del key
        return TaskVectors(model, num_tasks=self.num_tasks)


class Merge(eqx.Module):
    """Makes a shared body of a model for each task."""

    way: AbstractMerging

    def __call__(self, model: TaskVectors, tasks: Any, key: Key[Array, ""]) -> SharedBody:
        del tasks, key
        return model.merged(self.way)


class Informed(eqx.Module):
    """Makes a model take more inputs."""

    extra: int

    def __call__(self, model: Any, key: Key[Array, ""]) -> Model:
        return model.extend_inputs(self.extra, key=key)
