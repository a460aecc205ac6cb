"""How far from the best there is? Linear tasks that come with siblings, whose Bayes-optimal answer
is known: a network that reads both in one pass, against what is usually done.

The network is trained on groups of tasks of the prior. Rivals learn from the siblings of each group
alone; without siblings, meta-learners are trained on tasks of the prior too.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import Setting
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    at,
    Batch,
    InputError,
    mse,
    predict,
    Split,
    stack,
    Task,
    trace,
    traced,
)
from learnset.meta import CNP, LearntRidge, MAML, R2D2, TablePFN
from learnset.models import Headed, Linear, MLP, Raw, TableTransformer
from learnset.multitask import BLUP, MixedModel
from learnset.tasks import FiniteTasks, Groups, RelatedGaussian
from learnset.training import train
from learnset.transfer import FineTune, Ridge

from ._in_context_linear_page import draw, page

SHOTS = (1, 2, 5, 10, 20, 40)
SIBLINGS = (0, 5, 20, 60)
INPUTS, SIBLING_SHOTS, QUERIES = 2, 10, 64
PRIOR = RelatedGaussian(40, 8, siblings=60, sibling_shots=SIBLING_SHOTS, in_size=INPUTS)
L2S = (0.03, 0.1, 0.3, 1.0, 3.0)
SCALES = (0.3, 1.0, 3.0, 10.0)  # of the penalty that R2D2 has learnt
INNER_LRS, INNER_STEPS = (0.03, 0.1), 10
SIZES: dict[str, Any] = {"width": 32, "heads": 2, "depth": 3, "thinking": 4}  # of the network
AT_ONCE = 5  # groups that the network reads at once

Predictions = Float[Array, "candidates groups queries"]


class Stage(NamedTuple):
    """A part of the network's training."""

    siblings: int
    shots: int
    groups: int  # in a step
    share: float  # of all steps
    rates: tuple[float, float]  # of Adam, at the beginning and at the end


# Small groups first: most of what is to be learnt is how to learn one task. Then many siblings
# with few rows each, then many rows.
STAGES = (
    Stage(7, 20, 8, 0.5, (3e-3, 1.5e-3)),
    Stage(60, 12, 1, 0.25, (1.5e-3, 1e-3)),
    Stage(40, 40, 1, 0.25, (1e-3, 0.0)),
)


@dataclasses.dataclass(frozen=True)
class InContextLinearStudy:
    """The study's sizes.

    **Arguments:** `steps`: of the network, in all stages. `groups`: that are scored; `validation`:
    groups that settings of rivals are chosen on. `rival_steps`: of a meta-learner on the prior;
    `sibling_steps`: on the siblings of a group.
    """

    steps: int = 12_000
    groups: int = 100
    validation: int = 20
    rival_steps: int = 5000
    sibling_steps: int = 500

    reads: ClassVar = frozenset({"seed", "steps", "checkpoint_every", "resume"})
    draw = staticmethod(draw)
    page = staticmethod(page)

    def __post_init__(self):
        least = {"steps": 4, "groups": 2, "validation": 1, "rival_steps": 1, "sibling_steps": 1}
        for name, value in dataclasses.asdict(self).items():
            if value < least[name]:
                raise InputError(
                    f"in-context-linear: `{name}={value}`, but it must be at least {least[name]}."
                )

    def quick(self) -> "InContextLinearStudy":
        """A few steps, after which nothing is near its best."""
        return InContextLinearStudy(40, 4, 2, 20, 10)

    def with_steps(self, steps: int) -> "InContextLinearStudy":
        """The same study with another number of steps of the network."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains the network, then scores it and its rivals on groups that nobody has seen.

        **Returns:** a row for each recipe, number of rows and number of siblings; rows of groups
        that share nothing; and the course of training.
        """
        network_key, group_key, rival_key = jr.split(key, 3)
        network, stages = self.trained(folder, network_key, **options)
        groups = drawn(PRIOR, self.validation + self.groups, group_key)
        rows = [
            row
            for siblings in SIBLINGS
            for row in self.compared(network, groups, siblings, rival_key)
        ]
        truth = dataclasses.replace(PRIOR, common=(0.0,))
        unrelated = drawn(truth, self.validation + self.groups, rival_key)
        return {"rows": rows, "unrelated": without_use(network, unrelated), "stages": stages}

    def trained(
        self, folder: Path, key: Key[Array, ""], **options: Any
    ) -> tuple[TableTransformer, list[dict[str, Any]]]:
        """The network after all stages, and what each took."""
        model = network(key)
        about = []
        for number, stage in enumerate(STAGES):
            steps = round(stage.share * self.steps)
            family = dataclasses.replace(
                PRIOR, shots=stage.shots, siblings=stage.siblings, varied=True
            )
            run = train(
                TablePFN(),
                model,
                Groups(family),
                self.optimiser(stage),
                steps=steps,
                key=jr.fold_in(key, number),
                tasks_per_step=stage.groups,
                out=folder / "network" / str(number),
                **options,
            )
            model = run.model
            about.append(
                {
                    "siblings": stage.siblings,
                    "shots": stage.shots,
                    "groups": stage.groups,
                    "steps": steps,
                    "seconds": round(run.seconds, 1),
                    "loss": float(np.asarray(run.metrics["loss"])[-5:].mean()),
                }
            )
        return model, about

    def optimiser(self, stage: Stage) -> optax.GradientTransformation:
        """That of a stage."""
        steps, (first, last) = round(stage.share * self.steps), stage.rates
        rate = optax.warmup_cosine_decay_schedule(0.0, first, steps // 20, steps, last)
        return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))

    def compared(
        self, network: TableTransformer, groups: Task, siblings: int, key: Key[Array, ""]
    ) -> list[dict[str, Any]]:
        """Rows of all recipes for a number of siblings."""
        rivals = self.on_prior(key) if siblings == 0 else self.on_siblings(groups, siblings, key)
        rivals["ridge from scratch"] = (Setting.SCRATCH, ridge)
        rivals["in context"] = (Setting.META, lambda task: read(network, task))
        rows = []
        for shots in SHOTS:
            task = cut(groups, shots, siblings)
            floor, best = known(PRIOR, task)
            for name, (setting, answer) in rivals.items():
                # What is above the floor, without the noise of targets.
                excess = np.asarray(((answer(task) - best[None]) ** 2).mean(axis=-1))
                choice = int(excess[:, : self.validation].mean(axis=1).argmin())
                rows.append(
                    {"recipe": name, "setting": setting.value, "shots": shots}
                    | {"siblings": siblings, "chosen": choice}
                    | above(excess[choice, self.validation :], floor[self.validation :])
                )
        return rows

    def on_prior(self, key: Key[Array, ""]) -> dict[str, Any]:
        """Meta-learners trained on tasks of the prior."""
        family = dataclasses.replace(PRIOR, siblings=0, varied=True)

        def learnt(method: AbstractMethod) -> Any:
            model = method.prepare(MLP(INPUTS, 1, key=key), key=key)
            optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, self.rival_steps))
            run = train(method, model, family, optimiser, steps=self.rival_steps, key=key)
            return run.model

        def for_all(model: Any, adapters: tuple[AbstractAdapter, ...]) -> Callable[[Task], Array]:
            return lambda task: jnp.concatenate(
                [answers(traced(adapter), model, task, shared=True) for adapter in adapters]
            )

        return meta_learners(learnt, for_all)

    def on_siblings(self, groups: Task, siblings: int, key: Key[Array, ""]) -> dict[str, Any]:
        """Recipes that learn from the siblings of each group."""
        support: Any = groups.support
        points = jax.tree.map(lambda leaf: leaf[:, :siblings], support.siblings)
        number = len(points.x)
        half = SIBLING_SHOTS // 2
        tasks = eqx.filter_vmap(lambda own: FiniteTasks(own, own, half, half))(points)
        keys = jr.split(key, number)

        def learnt(method: AbstractMethod) -> Any:
            models = eqx.filter_vmap(lambda key: method.prepare(MLP(INPUTS, 1, key=key), key=key))(
                keys
            )
            optimiser = optax.adam(optax.cosine_decay_schedule(3e-3, self.sibling_steps))
            steps = self.sibling_steps
            run = train(method, models, tasks, optimiser, steps=steps, key=keys, tasks_per_step=5)
            return run.model

        def for_all(models: Any, adapters: tuple[AbstractAdapter, ...]) -> Callable[[Task], Array]:
            return lambda task: jnp.concatenate(
                [answers(traced(adapter), models, task, shared=False) for adapter in adapters]
            )

        mixed = stack(
            [
                MixedModel(slopes=True).solve(at(points, i)).for_task(jnp.asarray(-1))
                for i in range(number)
            ]
        )
        return meta_learners(learnt, for_all) | {
            "pooled ridge": (Setting.POOLED, pooled),
            "mixed model": (Setting.MULTI_TASK, for_all(mixed, (BLUP(),))),
        }


def network(key: Key[Array, ""]) -> TableTransformer:
    """The network before training."""
    return TableTransformer(**SIZES, key=key)


# The groups, and what recipes say about them


def drawn(family: RelatedGaussian, groups: int, key: Key[Array, ""]) -> Task:
    """Tasks with the most rows and siblings that are asked for."""
    family = dataclasses.replace(family, shots=max(SHOTS), queries=QUERIES)
    return jax.jit(lambda key: family.draw(groups, Split.TEST, key=key))(key)


def cut(tasks: Task, shots: int, siblings: int) -> Task:
    """The same tasks with the first rows and siblings only. Other rows have no weight, so that one
    program serves all numbers of rows."""
    own: Any = tasks.support
    fewer = jax.tree.map(lambda leaf: leaf[:, :siblings], own.siblings)
    weight = jnp.where(jnp.arange(own.weight.shape[1])[None] < shots, own.weight, 0)
    own = eqx.tree_at(lambda s: (s.weight, s.siblings), own, (weight, fewer))
    return eqx.tree_at(lambda t: t.support, tasks, own)


@eqx.filter_jit
def known(family: RelatedGaussian, tasks: Task) -> tuple[Float[Array, "groups"], Array]:
    """The expected error of the Bayes predictor, and its answers."""
    w = jax.vmap(family.bayes)(tasks.support)
    return jax.vmap(family.bayes_error)(tasks.support), jnp.einsum("gqi,gi->gq", tasks.query.x, w)


@eqx.filter_jit
def read(network: TableTransformer, tasks: Task) -> Predictions:
    """The network's answers."""

    def one(task: Task) -> Array:
        return predict(TablePFN().adapt(network, task.support), task.query.x)[:, 0]

    return jax.lax.map(one, tasks, batch_size=AT_ONCE)[None]


@eqx.filter_jit
def answers(adapter: AbstractAdapter, models: Any, tasks: Task, *, shared: bool) -> Predictions:
    """Predictions after each step of adaptation, by one model or by that of each group."""

    def one(model: Any, task: Task) -> Array:
        support = Batch(task.support.x, task.support.y, task.support.weight)
        return trace(adapter, model, support, lambda p: predict(p, task.query.x)[:, 0])

    of_groups = eqx.filter_vmap(one, in_axes=(None if shared else eqx.if_array(0), eqx.if_array(0)))
    return of_groups(models, tasks).swapaxes(0, 1)


def meta_learners(learnt: Callable[[AbstractMethod], Any], for_all: Callable) -> dict[str, Any]:
    """MAML, R2D2 and a conditional neural process, and the settings to choose from."""
    mamls = []
    for lr in INNER_LRS:
        descent = FineTune(mse, lr, INNER_STEPS)
        mamls.append(for_all(learnt(MAML(mse, lr)), (descent,)))
    ridges = tuple(LearntRidge(scale) for scale in SCALES)
    cnp = CNP()
    return {
        "MAML": (Setting.META, lambda task: jnp.concatenate([one(task) for one in mamls])),
        "R2D2": (Setting.META, for_all(learnt(R2D2(mse)), ridges)),
        "CNP": (Setting.META, for_all(learnt(cnp), (cnp.adapter,))),
    }


def ridge(tasks: Task) -> Predictions:
    """Ridge regression on a task's own rows."""
    model = Headed(Raw(), Linear(INPUTS, 1, key=jr.key(0)))
    each = [answers(traced(Ridge(l2)), model, tasks, shared=True) for l2 in L2S]
    return jnp.concatenate(each)


def pooled(tasks: Task) -> Predictions:
    """Ridge regression on the rows of a task and of its siblings, as if they were one task."""
    own: Any = tasks.support
    siblings = own.siblings

    def joined(own: Array, siblings: Array) -> Array:
        flat = siblings.reshape(len(siblings), -1, *siblings.shape[3:])
        return jnp.concatenate([own, flat], axis=1)

    pairs = ((own.x, siblings.x), (own.y, siblings.y), (own.weight, siblings.weight))
    everything = Batch(*(joined(*pair) for pair in pairs))
    return ridge(eqx.tree_at(lambda t: t.support, tasks, everything))


# Rows


def above(excess: np.ndarray, floor: Any) -> dict[str, Any]:
    """The mean error, and by how many percent it is above the floor."""
    floor = np.asarray(floor)
    gap, half = ratio(excess, floor)
    return {
        "value": float((floor + excess).mean()),
        "ci95": float(1.96 * (floor + excess).std() / len(floor) ** 0.5),
        "floor": float(floor.mean()),
        "gap": gap,
        "gap_ci95": half,
        "num_tasks": len(floor),
    }


def ratio(part: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
    """The ratio of two means in percent, and half its 95 % interval over tasks.

    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 2.0]))
    (50.0, 0.0)
    """
    share = part.mean() / whole.mean()
    half = 1.96 * (part - share * whole).std() / len(part) ** 0.5 / whole.mean()
    return float(100 * share), float(100 * half)


def without_use(network: TableTransformer, groups: Task) -> list[dict[str, Any]]:
    """The network's error where siblings share nothing with the task, and by how many percent it
    is above that without siblings."""
    truth = dataclasses.replace(PRIOR, common=(0.0,))
    rows = []
    for shots in SHOTS:
        floor, best = known(truth, cut(groups, shots, 0))
        error, bayes = {}, {}
        for siblings in SIBLINGS:
            task = cut(groups, shots, siblings)
            for found, answer in ((error, read(network, task)[0]), (bayes, known(PRIOR, task)[1])):
                found[siblings] = np.asarray(floor + ((answer - best) ** 2).mean(axis=-1))
        for siblings in SIBLINGS[1:]:
            more, half = ratio(error[siblings] - error[0], error[0])
            rows.append(
                {"recipe": "in context", "shots": shots, "siblings": siblings}
                | {"value": float(error[siblings].mean()), "without": float(error[0].mean())}
                | {"more": more, "more_ci95": half}
                | {"bayes_more": ratio(bayes[siblings] - bayes[0], bayes[0])[0]}
            )
    return rows
