"""Sine waves from five points: Table 2, the curves and Figure 2 of the MAML paper.

Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep
Networks*, §5.1 and appendix C; network, initialisation and optimiser from its code (`cbfinn/maml`).
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import FixedTasks, seed_keys, Setting
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    for_task,
    InputError,
    Model,
    mse,
    predict,
    rows as as_rows,
    Split,
    Task,
    trace,
)
from learnset.meta import MAML
from learnset.models import MLP, separate, truncated_normal
from learnset.multitask import SoftSharing, task_gradients
from learnset.tasks import AbstractTasks, Revealed, Sinusoids
from learnset.training import draw_seeds, score_seeds, train
from learnset.transfer import AsIs, FineTune, Pooled

from ._maml_sinusoids_page import CURVE_SHOTS, draw, HALVED, page, PUBLISHED, SOURCE, TABLE_STEPS
from ._study import rounded, row

LRS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # the baselines' step size is tuned on these
HALVES = {"left half": (-5.0, 0.0), "right half": (0.0, 5.0)}


@dataclasses.dataclass(frozen=True)
class MAMLSinusoids:
    """Reproduces Table 2, the error curves and Figure 2 of the MAML paper on sinusoid regression.

    **Arguments:**

    - `steps`: meta-iterations; the paper's are 70 000.
    - `seeds`: repetitions of MAML, the pretrained network and the oracle, trained together; the
        paper has one.
    - `averaged_tasks`: separate networks that are averaged; the paper's are 500.
    - `averaged_points`, `averaged_steps`: points of each of those tasks, and Adam steps to fit
        them, from one common initialisation. The paper gives none of these, but that each network's
        error is below 0.02.
    - `test_tasks`: held-out tasks for each seed; the paper's are 600. Errors are over 100 queries,
        and not over `shots` queries, which makes them less noisy.
    """

    steps: int = 70_000
    seeds: int = 5
    averaged_tasks: int = 500
    averaged_points: int = 20
    averaged_steps: int = 4000
    test_tasks: int = 600
    validation_tasks: int = 100

    reads: ClassVar = frozenset({"seed", "steps", "checkpoint_every", "resume"})
    draw = staticmethod(draw)
    page = staticmethod(page)

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 1:
                raise InputError(f"maml-sinusoids: `{name}={value}`, but it must be at least 1.")

    def quick(self) -> "MAMLSinusoids":
        """A fast run of all parts, whose numbers are far from the published ones."""
        return MAMLSinusoids(1000, 2, 30, 20, 500, 100, 30)

    def with_steps(self, steps: int) -> "MAMLSinusoids":
        """The same study with another number of meta-iterations."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `train`."""
        learners = self._learners(folder, key, options)
        table = [r for learner in learners for r in self._table_rows(learner, key)]
        curved = [learner for learner in learners if learner.curved]
        curves = [r for learner in curved for r in self._curve_rows(learner, key)]
        halved = {name: one for name in HALVED for one in learners if one.name == name}
        halves = {name: self._half_range(learner, key) for name, learner in halved.items()}
        conflict, gradients = _conflict(halved["pretrained on all tasks"], key)
        drawn = {name: functions for name, (_, functions) in halves.items()}
        return {
            "rows": table + curves + [r for rows, _ in halves.values() for r in rows] + conflict,
            "learners": [learner.about() for learner in learners],
            "figures": {"figure2": drawn, "conflict": gradients},
        }

    # Training

    def _learners(
        self, folder: Path, key: Key[Array, ""], options: dict[str, Any]
    ) -> list["Learner"]:
        tasks = Sinusoids(shots=10, queries=10)
        models = eqx.filter_vmap(_network)(seed_keys(key, 0, self.seeds))
        informed = eqx.filter_vmap(lambda k: _network(k, in_size=3))(seed_keys(key, 0, self.seeds))

        def trained(
            name: str,
            method: AbstractMethod,
            models: Model,
            tasks: AbstractTasks,
            optimiser: Any = _ADAM,
            **more: Any,
        ) -> Any:
            out = folder / "checkpoints" / "-".join(name.lower().replace("+", " ").split())
            arguments = {"steps": self.steps, "key": seed_keys(key, 1, self.seeds)} | more | options
            run = train(method, models, tasks, optimiser, out=out, name=name, **arguments)
            loss = np.asarray(run.metrics["loss"])[:, -1:].mean()
            return run.model, run.seconds, run.compile_seconds, loss

        def averaged(name: str, to_zero: float = 0.0, to_mean: float = 0.0) -> "Learner":
            # One set of networks: with 500 of them, little is left to chance.
            set_key, model_key = seed_keys(key, 2, 2)
            numbered = FixedTasks(self.averaged_tasks, self.averaged_points)(
                tasks.with_shots(self.averaged_points // 2, self.averaged_points // 2), set_key
            )
            start = separate(lambda _: _network(model_key), self.averaged_tasks, key=model_key)
            model, tasks_of_one = jax.tree.map(
                lambda a: a[None] if eqx.is_array(a) else a, (start, numbered)
            )
            method = SoftSharing(mse, to_zero, to_mean)
            budget = {
                "steps": self.averaged_steps,
                "tasks_per_step": self.averaged_tasks,
                "key": seed_keys(key, 3, 1),
            }
            quick_adam = optax.adam(optax.cosine_decay_schedule(1e-2, self.averaged_steps))
            model, *rest = trained(name, method, model, tasks_of_one, quick_adam, **budget)
            mean = eqx.filter_vmap(lambda m: for_task(m, jnp.asarray(-1)))(model)
            return Learner(name, Setting.TRANSFER, tuned, mean, *rest)

        tuned = tuple(FineTune(mse, lr, 10) for lr in LRS)
        pooled, maml = Pooled(mse), MAML(mse, 0.01)
        pretrained = trained("pretrained", pooled, models, tasks)
        oracle = trained("oracle", pooled, informed, Revealed(tasks))
        by_maml = trained("MAML", maml, models, tasks)
        return [
            averaged("averaged"),
            averaged("averaged + L2 penalty", to_zero=1e-3),
            averaged("averaged + pull to the mean", to_mean=1e-1),
            Learner("pretrained on all tasks", Setting.TRANSFER, tuned, *pretrained, curved=True),
            Learner("MAML", Setting.META, tuned[3:4], *by_maml, curved=True),
            Learner("oracle", Setting.BOUND, (AsIs(),), *oracle, curved=True, view=Revealed),
        ]

    # Scoring

    def _tasks(
        self, learner: "Learner", split: Split, tasks: Sinusoids, key: Key[Array, ""], num: int
    ) -> Task:
        seeds = jax.tree.leaves(eqx.filter(learner.models, eqx.is_array))[0].shape[0]
        # Always twenty support points, of which `score_seeds` takes the first: one program for all
        # shots.
        return draw_seeds(learner.view(tasks.with_shots(20)), num, split, seed_keys(key, 4, seeds))

    def _tuned(self, learner: "Learner", tasks: Sinusoids, key: Key[Array, ""]) -> AbstractAdapter:
        """The adapter with the lowest validation error after its last step, for these shots."""
        if len(learner.candidates) == 1:
            return learner.candidates[0]
        batch = self._tasks(learner, Split.VALIDATION, tasks, key, self.validation_tasks)
        last = [
            float(learner.errors(adapter, batch, tasks.shots)[..., -1].mean())
            for adapter in learner.candidates
        ]
        return learner.candidates[int(np.nanargmin(last))]

    def _errors(
        self, learner: "Learner", tasks: Sinusoids, key: Key[Array, ""]
    ) -> tuple[np.ndarray, AbstractAdapter]:
        adapter = self._tuned(learner, tasks, key)
        batch = self._tasks(learner, Split.TEST, tasks, key, self.test_tasks)
        return learner.errors(adapter, batch, tasks.shots), adapter

    def _table_rows(self, learner: "Learner", key: Key[Array, ""]) -> list[dict[str, Any]]:
        if learner.name not in PUBLISHED:
            return []
        errors, adapter = self._errors(learner, Sinusoids(shots=5, queries=100), key)
        common = learner.common("table 2", 5, adapter)
        return [
            row(errors[..., step], published, SOURCE, **common, steps=step)
            for step, published in zip(TABLE_STEPS, PUBLISHED[learner.name], strict=True)
        ]

    def _curve_rows(self, learner: "Learner", key: Key[Array, ""]) -> list[dict[str, Any]]:
        rows = []
        for shots in CURVE_SHOTS:
            errors, adapter = self._errors(learner, Sinusoids(shots=shots, queries=100), key)
            common = learner.common("curves", shots, adapter)
            rows += [row(errors[..., i], **common, steps=i) for i in range(errors.shape[-1])]
        return rows

    def _half_range(
        self, learner: "Learner", key: Key[Array, ""]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Figure 2: five points in the right half; errors in each half, and one task to draw."""
        tasks = Sinusoids(shots=5, queries=100, support_inputs=HALVES["right half"])
        adapter = self._tuned(learner, tasks, key)
        batch = self._tasks(learner, Split.TEST, tasks, key, self.test_tasks)
        rows = []
        for half, (low, high) in HALVES.items():
            x, weight = batch.query.x[..., 0], batch.query.weight
            within = ((x >= low) & (x <= high)).astype(weight.dtype)
            inside = eqx.tree_at(lambda b: b.query.weight, batch, within)
            errors = learner.errors(adapter, inside, tasks.shots)
            common = learner.common("figure 2", tasks.shots, adapter)
            common |= {"points_in": "right half", "scored_in": half}
            rows += [row(errors[..., step], **common, steps=step) for step in (0, 1, 10)]
        return rows, _functions(learner, adapter, batch)


class Learner(eqx.Module):
    """A trained row of the table: its adapters, and its models with a leading `seeds` axis."""

    name: str
    setting: Setting
    candidates: tuple[AbstractAdapter, ...]
    models: Model
    seconds: float
    compile_seconds: float
    final_loss: float
    curved: bool = False
    view: Callable[[AbstractTasks], AbstractTasks] = lambda tasks: tasks

    def errors(
        self, adapter: AbstractAdapter, batch: Task, shots: int
    ) -> Float[np.ndarray, "seeds tasks steps"]:
        return score_seeds(adapter, self.models, batch, shots, mse)

    def common(self, part: str, shots: int, adapter: AbstractAdapter) -> dict[str, Any]:
        """The first fields of its rows."""
        about = {"part": part, "recipe": self.name, "setting": self.setting.value, "tasks": "new"}
        return about | {"shots": shots, "lr": getattr(adapter, "lr", None)}

    def about(self) -> dict[str, Any]:
        return {
            "recipe": self.name,
            "train_seconds": round(self.seconds, 2),
            "compile_seconds": round(self.compile_seconds, 2),
            "last_training_loss": float(self.final_loss),
        }


_ADAM = optax.adam(1e-3)


def _network(key: Key[Array, ""], in_size: int = 1) -> MLP:
    """Two hidden layers of 40 units, weights from a truncated normal of 0.01: the paper's code."""
    return MLP(in_size, 1, width=40, depth=2, initialiser=truncated_normal(0.01), key=key)


def _first(tree: Any) -> Any:
    """The first seed, or the first task, of arrays with a leading axis of them."""
    return jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, tree)


def _functions(learner: Learner, adapter: AbstractAdapter, batch: Task) -> dict[str, Any]:
    """Seed 0's functions for its first test task: before, after one step and after ten."""
    model, task = _first(learner.models), _first(_first(batch))
    grid = jnp.linspace(-5, 5, 201)[:, None]
    support = jax.tree.map(lambda leaf: leaf[:5], task.support)
    functions = trace(adapter, model, support, lambda predictor: predict(predictor, grid))
    drawn = {
        "grid": grid[:, 0],
        "functions": functions[jnp.array([0, 1, 10]), :, 0],
        "truth": Sinusoids().function(task.latents, grid[:, 0]),
        "x": support.x[:, 0],
        "y": support.y[:, 0],
    }
    return {name: rounded(values) for name, values in drawn.items()}


def _conflict(
    pretrained: Learner, key: Key[Array, ""]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """How much the pretraining tasks contradict each other at the network that they led to."""
    batch = Sinusoids(shots=100, queries=1).draw(60, Split.TRAIN, key=jr.fold_in(key, 5))
    batch = jax.tree.map(lambda leaf: leaf[jnp.argsort(batch.latents[:, 1])], batch)
    gradients = as_rows(task_gradients(mse, _first(pretrained.models), batch)[1])
    length = jnp.linalg.norm(gradients, axis=1)
    cosines = np.asarray(gradients @ gradients.T / length[:, None] / length[None, :])
    pairs = cosines[np.triu_indices(len(cosines), 1)]
    common = {"part": "gradient conflict", "recipe": pretrained.name}
    common |= {"setting": pretrained.setting.value, "tasks": "past", "shots": 100, "steps": 0}
    values = {
        "pairs of tasks with opposing gradients": float((pairs < 0).mean()),
        "length of the mean gradient / mean length of the gradients": float(
            jnp.linalg.norm(gradients.mean(axis=0)) / length.mean()
        ),
    }
    rows = [common | {"quantity": name, "value": value} for name, value in values.items()]
    return rows, {"cosines": rounded(cosines), "phases": rounded(batch.latents[:, 1])}
