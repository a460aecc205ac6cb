"""The standard recipes of tables, as `recipes` has those of regression and `few_shot` those of classes.

Penalties, step sizes and decays are grids, from which `compare_rows` chooses on validation rows. One model for each task,
linear and a network, and the pooled model, linear and a network, are always there, with grids as fine as the others'.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from ..comparison import AbstractFit, Recipe, RowRecipe, Setting
from ..core import AbstractMethod, Batch, cross_entropy, fast_dots, Loss, Model, mse, Split, traced
from ..meta import LearntRidge, MAML, R2D2, WithRidge
from ..models import Headed, Linear, Raw, separate, SharedBody
from ..multitask import (
    AbstractSolver,
    Affinity,
    BLUP,
    EarlyStopping,
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
from ..tasks import FiniteTasks, HeldOutTasks, TableTasks
from ..training import train
from ..transfer import FineTune, Pooled, Ridge

L2S = tuple(float(l2) for l2 in np.geomspace(0.1, 1e4, 11).round(4))
ALPHAS = tuple(float(alpha) for alpha in np.geomspace(1e-3, 3, 8).round(6))
LRS = (0.003, 0.01)
DECAYS = (0.1, 1.0)  # of AdamW, times its step size
PULLS = (0.01, 0.1, 1.0)
MOST_TASKS = 256  # of one step
MOST_SLOPES = 64  # inputs that may have a slope for each task in a mixed model
MOST_BALANCED = 32  # tasks for which UPGrad takes no more time than all the rest
QUICK_ROWS = (
    "ridge per task", "network per task", "pooled ridge", "pooled network", "ridge with offsets", "mixed model", "shared body",
    "shared body, FAMO",
)  # fmt: skip


# How all tasks of a table are learnt.


class Solved(AbstractFit):
    """In closed form."""

    solver: AbstractSolver

    def fit(self, model: Model, tasks: TableTasks, *, key: Key[Array, ""]) -> Model:
        del model, key
        return self.solver.solve(points_of(tasks, Split.TRAIN))


class Descended(AbstractFit):
    """By a method and AdamW from the initial model; the model that does best on validation rows on the way is kept.

    - `make`: what is made of the initial model: `(model, number of tasks, key) -> model`.
    - `decay`: of the weights, at each step, times the step size.
    """

    method: AbstractMethod
    loss: Loss
    make: Callable[[Model, int, Key[Array, ""]], Model]
    lr: float | Float[Array, "..."] = 0.003
    decay: float | Float[Array, "..."] = 0.0
    steps: int = 300
    every: int = 20

    def fit(self, model: Model, tasks: TableTasks, *, key: Key[Array, ""]) -> Model:
        make_key, train_key = jr.split(key)
        method = EarlyStopping(
            self.method, points_of(tasks, Split.VALIDATION), self.loss, self.every
        )
        optimiser = optax.adamw(self.lr, weight_decay=self.decay)
        model = self.make(model, len(tasks), make_key)
        number = min(len(tasks), MOST_TASKS)
        run = train(
            method, model, tasks, optimiser, steps=self.steps, key=train_key, tasks_per_step=number
        )
        return method.best(run.model, run.state)


def points_of(tasks: TableTasks, split: Split) -> Batch:
    """All points of all tasks in a split, "tasks points"."""
    return jax.vmap(lambda i: tasks.all_points(i, split))(jnp.arange(len(tasks)))


def one_model(model: Model, tasks: int, key: Key[Array, ""]) -> Model:
    """The initial model, for all tasks."""
    del tasks, key
    return model


def own_models(model: Model, tasks: int, key: Key[Array, ""]) -> Model:
    """A model for each task, all of which begin as the initial one."""
    return separate(lambda _: model, tasks, key=key)


def shared_body(model: Model, tasks: int, key: Key[Array, ""]) -> Model:
    """One body, and a head for each task."""
    return SharedBody(model, num_tasks=tasks, key=key)


# On rows: the same tasks, and rows that were not trained on.


def standard_rows(
    num_tasks: int,
    num_inputs: int,
    *,
    classes: bool = False,
    steps: int = 300,
    lrs: tuple[float, ...] = LRS,
) -> list[RowRecipe]:
    """All recipes on the rows of a table, in the order of the page.

    **Arguments:**

    - `num_tasks`, `num_inputs`: how many there are. `classes`: whether targets are classes.
    - `steps`: of training of a network.
    - `lrs`: step sizes to choose from, each with each of `DECAYS`.

    >>> import learnset as ls
    >>> [recipe.name for recipe in ls.recipes.rows.standard_rows(139, 27)][:2]
    ['mean of each task', 'ridge per task']
    """
    loss = cross_entropy if classes else mse
    of_networks: dict[str, Any] = {"loss": loss, "steps": steps, "every": max(1, steps // 30)}
    alone, pooled, together = Setting.SCRATCH, Setting.TRANSFER, Setting.MULTI_TASK

    def network(
        method: AbstractMethod, make: Callable, decays: tuple[float, ...] = DECAYS
    ) -> tuple[AbstractFit, ...]:
        return tuple(
            Descended(method, make=make, lr=lr, decay=decay, **of_networks)
            for lr in lrs
            for decay in decays
        )

    soft = tuple(
        fit
        for pull in PULLS
        for fit in network(SoftSharing(loss, to_mean=pull), own_models, (0.0,))
    )
    mixed = tuple(
        Solved(MixedModel(slopes)) for slopes in (False, True)[: 1 + (num_inputs <= MOST_SLOPES)]
    )
    jacobian = "Quinton & Rey 2024, Jacobian Descent"
    upgrad = RowRecipe(
        "shared body, UPGrad", together, network(UPGrad(loss), shared_body), jacobian
    )
    kurin = "Kurin et al. 2022, In Defense of the Unitary Scalarization"
    return [
        RowRecipe("mean of each task", Setting.BOUND, (Solved(RidgePerTask(1e9)),), "no inputs at all"),
        RowRecipe("ridge per task", alone, _solved(RidgePerTask), "Hoerl & Kennard 1970"),
        RowRecipe("network per task", alone, network(Pooled(loss), own_models), "learning each task alone"),
        RowRecipe("pooled ridge", pooled, _solved(PooledRidge), "one model, as if there were one task"),
        RowRecipe("pooled network", pooled, network(Pooled(loss), one_model), "one model, as if there were one task"),
        RowRecipe("ridge with offsets", together, _solved(OffsetRidge), "an offset for each task"),
        RowRecipe("mixed model", together, mixed, "Laird & Ware 1982, Random-effects models"),
        RowRecipe("multi-task lasso", together, tuple(Solved(MultiTaskLasso(a)) for a in ALPHAS), "Obozinski et al. 2010"),
        RowRecipe("shared body", together, network(Mean(loss), shared_body), f"Caruana 1997; uniform sum: {kurin}"),
        RowRecipe("shared body, FAMO", together, network(FAMO(loss, num_tasks=num_tasks), shared_body), "Liu et al. 2023, FAMO"),
        *([upgrad] if num_tasks <= MOST_BALANCED else []),
        RowRecipe("soft sharing", together, soft, "Evgeniou & Pontil 2004, Regularized Multi-Task Learning"),
    ]  # fmt: skip


BALANCED = (
    "shared body, FAMO",
    "shared body, UPGrad",
)  # those with a balancer, to be set beside the uniform sum


def _solved(solver: Callable[[float], AbstractSolver]) -> tuple[AbstractFit, ...]:
    return tuple(Solved(solver(l2)) for l2 in L2S)


# On new tasks.


def standard_new(tasks: HeldOutTasks, *, classes: bool = False, steps: int = 50) -> list[Recipe]:
    """All recipes on tasks that are held out, for `compare`.

    **Arguments:**

    - `tasks`: as they are compared on; `classes`: whether targets are classes.
    - `steps`: of gradient descent on a new task.
    """
    loss = cross_entropy if classes else mse
    adam = tuple(FineTune(loss, lr, 4 * steps, optimiser=optax.adam) for lr in (0.003, 0.01, 0.03))
    tuned = tuple(FineTune(loss, lr, steps) for lr in (0.001, 0.003, 0.01, 0.03, 0.1))
    ridges = tuple(Ridge(l2) for l2 in (0.1, 1.0, 10.0, 100.0, 1000.0))
    learnt = tuple(LearntRidge(scale) for scale in (0.3, 1.0, 3.0, 10.0, 30.0))
    out = tasks.train.y.shape[-1]
    robinson = "Robinson 1991, That BLUP is a good thing"
    slopes = Recipe(
        "mixed model, slopes",
        Setting.MULTI_TASK,
        (BLUP(),),
        model=Mixed(tasks, True),
        source=robinson,
    )
    return [
        Recipe("scratch, ridge", Setting.SCRATCH, ridges, model=Inputs(out), source="Hoerl & Kennard 1970"),
        Recipe("scratch, network", Setting.SCRATCH, adam, source="learning from scratch"),
        Recipe("pooled network", Setting.TRANSFER, tuned, Pooled(loss), source="pretraining on all tasks"),
        Recipe("pooled, ridge head", Setting.TRANSFER, ridges, Pooled(loss), source="pretraining on all tasks"),
        Recipe("mixed model", Setting.MULTI_TASK, (BLUP(),), model=Mixed(tasks, False), source=robinson),
        *([slopes] if tasks.train.x.shape[-1] <= MOST_SLOPES else []),
        Recipe("shared body, ridge head", Setting.MULTI_TASK, ridges, Pooled(loss), model=Bodied(tasks),
               training_tasks=numbered, source="Caruana 1997, Multitask Learning"),
        Recipe("MAML", Setting.META, tuned, MAML(loss, 0.05), source="Finn, Abbeel & Levine 2017"),
        Recipe("R2D2", Setting.META, learnt, R2D2(loss), model=ridged(classes), source="Bertinetto et al. 2019"),
    ]  # fmt: skip


QUICK_NEW = (
    "scratch, ridge",
    "scratch, network",
    "pooled network",
    "pooled, ridge head",
    "mixed model",
    "R2D2",
)


class Inputs(eqx.Module):
    """Makes a linear head on inputs as they are."""

    out: int

    def __call__(self, model: Any, key: Key[Array, ""]) -> Headed:
        return Headed(Raw(), Linear(model.layers[0].weight.shape[0], self.out, key=key))


class Mixed(eqx.Module):
    """Solves the training tasks by a mixed model; a new task sees its fixed effects, and what variances it has."""

    tasks: HeldOutTasks
    slopes: bool = eqx.field(static=True)

    def __call__(self, model: Model, key: Key[Array, ""]) -> Model:
        del model, key
        return MixedModel(self.slopes).solve(self.tasks.train)


class Bodied(eqx.Module):
    """Makes a shared body with a head for each training task."""

    tasks: HeldOutTasks

    def __call__(self, model: Model, key: Key[Array, ""]) -> SharedBody:
        return SharedBody(model, num_tasks=len(self.tasks.train.weight), key=key)


def numbered(tasks: Any, key: Key[Array, ""]) -> FiniteTasks:
    """The training tasks as a numbered set."""
    del key
    return tasks.numbered()


def ridged(classes: bool) -> Callable[[Model, Key[Array, ""]], WithRidge]:
    """The model of R2D2."""
    return _ridged_classes if classes else _ridged


def _ridged(model: Model, key: Key[Array, ""]) -> WithRidge:
    del key
    return WithRidge(model)


def _ridged_classes(model: Model, key: Key[Array, ""]) -> WithRidge:
    del key
    return WithRidge(model, scale=1.0)


# Which tasks get on with each other.


def affinities(
    network: Callable[[int, int], Callable[[Key[Array, ""]], Model]],
    tasks: TableTasks,
    index: Int[np.ndarray, "some"],
    *,
    classes: bool = False,
    steps: int = 300,
    lr: float = 0.003,
    key: Key[Array, ""],
) -> tuple[Float[np.ndarray, "some some"], Float[np.ndarray, "some some"]]:
    """Cosines between the gradients of some tasks, and by what part a step for one lowers the loss of another (`Affinity`),
    as means over the training of a shared body on all of them.

    **Returns:** two matrices, in the order of `index`.
    """
    loss = cross_entropy if classes else mse
    every = max(1, steps // 15)
    points = tasks.of(0)[0]
    make_model = network(points.x.shape[-1], points.y.shape[-1])

    @eqx.filter_jit
    def run(tasks: TableTasks, index: Array, key: Array) -> tuple[Array, Array]:
        def watched(tasks: TableTasks, index: Array, key: Array) -> tuple[Array, Array]:
            model_key, body_key, train_key = jr.split(key, 3)
            points = jax.vmap(lambda i: tasks.all_points(i, Split.TRAIN))(index)
            method = traced(Affinity(Mean(loss), loss, points, index, every=every))
            model = shared_body(make_model(model_key), len(tasks), body_key)
            number = min(len(tasks), MOST_TASKS)
            trained = train(
                method,
                model,
                tasks,
                optax.adam(lr),
                steps=steps,
                key=train_key,
                tasks_per_step=number,
            )
            return method.mean(trained.state)

        return fast_dots(watched)(tasks, index, key)

    cosine, lookahead = run(tasks, jnp.asarray(index), key)
    return np.asarray(cosine, np.float64), np.asarray(lookahead, np.float64)
