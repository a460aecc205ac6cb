"""Sine waves from five points: Table 2, the curves and Figure 2 of the MAML paper.

Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep
Networks*, §5.1 and appendix C; network, initialisation and optimiser from its code (`cbfinn/maml`).
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Key

from learnset.comparison import (
    Budget,
    ByGradient,
    Experience,
    FixedTasks,
    learn,
    NewTasks,
    Outcome,
    Recipe,
    Setting,
)
from learnset.core import at, InputError, Model, mse, predict, rows as as_rows, Split, Task, trace
from learnset.meta import MAML
from learnset.models import MLP, Separate, separate, truncated_normal
from learnset.multitask import SoftSharing, task_gradients
from learnset.tasks import Revealed, Sinusoids
from learnset.transfer import FineTune, Pooled

from ._maml_sinusoids_edge import edge_of
from ._maml_sinusoids_page import (
    CURVE_SHOTS,
    draw,
    HALVED,
    OF_CODE,
    page,
    PUBLISHED,
    SOURCE,
    TABLE_STEPS,
)
from ._study import row, SHARED, to_decimals

# The step size of the baselines is tuned on these.
LRS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
CODE_LR = 0.001  # of MAML's inner steps in the paper's code; its text has 0.01
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

    reads: ClassVar = SHARED | {"seed", "steps", "checkpoint_every", "resume"}
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
        """Trains and scores. `options` go to `learn`."""
        arguments = {"key": key, "budget": Budget(self.steps, tasks_per_step=25)} | options
        question = self._question(Sinusoids(10, 10), CURVE_SHOTS)
        together = learn(network, question, out=folder, **arguments)
        # One set of averaged networks: with 500 of them, little is left to chance.
        half = self.averaged_points // 2
        of_one = self._question(Sinusoids(half, half), (5,), seeds=1)
        alone = learn(network, of_one, out=folder / "averaged", **arguments)
        averaged, recipes = self._averaged(), trained_on_all()
        comparison, compared = together.ask(question, recipes), alone.ask(of_one, averaged)
        curved = [comparison[recipe.name] for recipe in recipes]
        outcomes = [*(compared[recipe.name] for recipe in averaged), *curved]
        halved = [recipe for recipe in recipes if recipe.name in HALVED]
        halves, functions = self._halves(together, halved)
        conflict, gradients = _conflict(comparison["pretrained on all tasks"], key)
        edges, clouds = [], {}
        for name in ("MAML", OF_CODE):
            outcome = comparison[name]
            asked = question.ask(Split.TEST, outcome.recipe.view, together.key)
            rows, clouds[name] = edge_of(outcome, asked, _common(outcome, "", 5))
            edges += rows
        return {
            "rows": [
                *(row for outcome in outcomes for row in _table_rows(outcome)),
                *(row for outcome in curved for row in _curve_rows(outcome)),
                *halves,
                *conflict,
                *edges,
            ],
            "learners": [
                *(_about(alone, recipe) for recipe in averaged),
                *(_about(together, recipe) for recipe in recipes),
            ],
            "figures": {"figure2": functions, "conflict": gradients, "edge": clouds},
        }

    def _question(self, tasks: Sinusoids, shots: tuple[int, ...], **more: Any) -> "InPart":
        """A question about new tasks, errors after every step. Step sizes are chosen by errors
        after the last one."""
        sizes: dict[str, Any] = {
            "seeds": self.seeds,
            "queries": 100,
            "validation_tasks": self.validation_tasks,
            "test_tasks": self.test_tasks,
        } | more
        return InPart(tasks, shots=shots, chooses_steps=False, **sizes)

    def _averaged(self) -> list[Recipe]:
        """Networks that are trained separately and averaged, with the penalties of the paper."""

        def averaged(name: str, to_zero: float = 0.0, to_mean: float = 0.0) -> Recipe:
            learner = ByGradient(
                SoftSharing(mse, to_zero, to_mean),
                model=Copies(self.averaged_tasks),
                past=FixedTasks(self.averaged_tasks, self.averaged_points),
                steps=self.averaged_steps,
                tasks_per_step=self.averaged_tasks,
                optimiser=optax.adam(optax.cosine_decay_schedule(1e-2, self.averaged_steps)),
            )
            return Recipe(name, Setting.TRANSFER, (learner,), TUNED)

        return [
            averaged("averaged"),
            averaged("averaged + L2 penalty", to_zero=1e-3),
            averaged("averaged + pull to the mean", to_mean=1e-1),
        ]

    def _halves(
        self, experience: Experience, recipes: list[Recipe]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Figure 2: five points in the right half; errors in each half, and one task to draw."""
        tasks = Sinusoids(support_inputs=HALVES["right half"])
        rows, functions = {recipe.name: [] for recipe in recipes}, {}
        for half, part in HALVES.items():
            question = self._question(tasks, (5,), part=part)
            comparison = experience.ask(question, recipes)
            for name in rows:
                outcome = comparison[name]
                about = _common(outcome, "figure 2", 5)
                about |= {"points_in": "right half", "scored_in": half}
                rows[name] += [row(outcome.at(5, step), **about, steps=step) for step in (0, 1, 10)]
                asked = question.ask(Split.TEST, outcome.recipe.view, experience.key)
                functions[name] = _functions(outcome, at(asked, (0, 0)))
        return [row for of_recipe in rows.values() for row in of_recipe], functions


class InPart(NewTasks):
    """New tasks, scored at queries in a part of the range. Settings are chosen at queries in all of
    it.

    **Arguments:** `part`: of the inputs; the others as for `NewTasks`.
    """

    part: tuple[float, float] = (-5.0, 5.0)

    def ask(self, split: Split, view: Any, key: Key[Array, ""]) -> Task:
        asked = super().ask(split, view, key)
        if split is Split.VALIDATION:
            return asked
        low, high = self.part
        x, weight = asked.query.x[..., 0], asked.query.weight
        inside = ((x >= low) & (x <= high)).astype(weight.dtype)
        return eqx.tree_at(lambda a: a.query.weight, asked, inside)


# Recipes


def network(key: Key[Array, ""], in_size: int = 1) -> MLP:
    """Two hidden layers of 40 units, weights from a truncated normal of 0.01: the paper's code."""
    return MLP(in_size, 1, width=40, depth=2, initialiser=truncated_normal(0.01), key=key)


def informed(model: Model, key: Key[Array, ""]) -> MLP:
    """A network that receives amplitude and phase too."""
    del model
    return network(key, in_size=3)


class Copies(eqx.Module):
    """A network for each of `number` tasks, all of them copies of the common one."""

    number: int

    def __call__(self, model: Model, key: Key[Array, ""]) -> Separate:
        return separate(lambda _: model, self.number, key=key)


TUNED = tuple(FineTune(mse, lr, 10) for lr in LRS)


def trained_on_all() -> list[Recipe]:
    """Networks trained on as many tasks as there are steps for."""
    pooled = ByGradient(Pooled(mse))
    maml, of_code = (ByGradient(MAML(mse, lr)) for lr in (0.01, CODE_LR))
    oracle = ByGradient(Pooled(mse), model=informed)
    return [
        Recipe("pretrained on all tasks", Setting.TRANSFER, (pooled,), TUNED),
        Recipe("MAML", Setting.META, (maml,), (FineTune(mse, 0.01, 10),)),
        Recipe(OF_CODE, Setting.META, (of_code,), (FineTune(mse, CODE_LR, 10),)),
        Recipe("oracle", Setting.BOUND, (oracle,), view=Revealed),
    ]


# Rows


def _table_rows(outcome: Outcome) -> list[dict[str, Any]]:
    published = PUBLISHED.get(outcome.name, ())
    common = _common(outcome, "table 2", 5)
    return [
        row(outcome.at(5, step), value, SOURCE, **common, steps=step)
        for step, value in zip(TABLE_STEPS, published, strict=False)
    ]


def _curve_rows(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        row(outcome.at(shots, step), **_common(outcome, "curves", shots), steps=step)
        for shots in outcome.shots
        for step in outcome.watched
    ]


def _common(outcome: Outcome, part: str, shots: int | None) -> dict[str, Any]:
    """The first fields of a row. `lr` is a list where seeds have chosen different step sizes."""
    choices = outcome.chosen[outcome.shots.index(shots)]
    lrs = [getattr(outcome.recipe.adapters[one.adapter], "lr", None) for one in choices]
    return {
        "part": part,
        "recipe": outcome.name,
        "setting": outcome.recipe.setting.value,
        "tasks": "new",
        "shots": shots,
        "lr": lrs[0] if len(set(lrs)) == 1 else lrs,
    }


def _about(experience: Experience, recipe: Recipe) -> dict[str, Any]:
    learnt = experience.learnt(recipe)
    return {
        "recipe": recipe.name,
        "train_seconds": round(learnt.seconds, 2),
        "compile_seconds": round(learnt.compile_seconds, 2),
        "last_training_loss": float(learnt.metrics["loss"][:, -1].mean()),
    }


def _functions(outcome: Outcome, task: Task) -> dict[str, Any]:
    """Seed 0's functions for a task: before, after one step and after ten."""
    adapter: Any = outcome.recipe.adapters[outcome.chosen[0][0].adapter]
    grid = jnp.linspace(-5, 5, 201)[:, None]
    functions = trace(
        adapter, at(outcome.models, 0), task.support, lambda predictor: predict(predictor, grid)
    )
    drawn = {
        "grid": grid[:, 0],
        "functions": functions[jnp.array([0, 1, 10]), :, 0],
        "truth": Sinusoids().function(task.latents, grid[:, 0]),
        "x": task.support.x[:, 0],
        "y": task.support.y[:, 0],
    }
    return {name: to_decimals(values) for name, values in drawn.items()}


def _conflict(
    pretrained: Outcome, key: Key[Array, ""]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """How much the pretraining tasks contradict each other at the network that they led to."""
    batch = Sinusoids(shots=100, queries=1).draw(60, Split.TRAIN, key=jr.fold_in(key, 5))
    batch = jax.tree.map(lambda leaf: leaf[jnp.argsort(batch.latents[:, 1])], batch)
    gradients = as_rows(task_gradients(mse, at(pretrained.models, 0), batch)[1])
    length = jnp.linalg.norm(gradients, axis=1)
    cosines = np.asarray(gradients @ gradients.T / length[:, None] / length[None, :])
    pairs = cosines[np.triu_indices(len(cosines), 1)]
    common = {"part": "gradient conflict", "recipe": pretrained.name}
    common |= {
        "setting": pretrained.recipe.setting.value,
        "tasks": "past",
        "shots": 100,
        "steps": 0,
    }
    values = {
        "pairs of tasks with opposing gradients": float((pairs < 0).mean()),
        "length of the mean gradient / mean length of the gradients": float(
            jnp.linalg.norm(gradients.mean(axis=0)) / length.mean()
        ),
    }
    rows = [common | {"quantity": name, "value": value} for name, value in values.items()]
    return rows, {"cosines": to_decimals(cosines), "phases": to_decimals(batch.latents[:, 1])}
