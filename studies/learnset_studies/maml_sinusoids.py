"""Sine waves from five points: Table 2, the curves and Figure 2 of the MAML paper.

Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, §5.1 and
appendix C; network, initialisation and optimiser from its code (`cbfinn/maml`).
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import Numbered, seed_keys
from learnset.core import (
    AbstractAdapter,
    AbstractMethod,
    COLOURS,
    FAINT,
    for_task,
    INK,
    InputError,
    Model,
    mse,
    new_figure,
    predict,
    rows as as_rows,
    Split,
    Task,
    trace,
    write_figure,
)
from learnset.meta import MAML
from learnset.models import MLP, separate, truncated_normal
from learnset.multitask import SoftSharing, task_gradients
from learnset.tasks import AbstractTasks, Revealed, Sinusoids
from learnset.training import draw_seeds, score_seeds, train
from learnset.transfer import AsIs, FineTune, Pooled

from ._study import markdown_table, row

SOURCE = "Finn, Abbeel & Levine 2017, appendix C, table 2"
PUBLISHED = {  # Table 2: 5-shot error after 1, 5 and 10 gradient steps
    "averaged": (4.19, 3.85, 3.69),
    "averaged, l2": (7.18, 5.69, 5.60),
    "averaged, to the mean": (2.91, 2.72, 2.71),
    "pretrained on all tasks": (2.41, 2.23, 2.19),
    "MAML": (0.67, 0.38, 0.35),
}
TABLE_STEPS = (1, 5, 10)
CURVE_SHOTS = (5, 10, 20)
LRS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)  # the grid on which the baselines' step size is tuned
ANCHORS = {  # closed form
    "zero": 4.2517,  # predicting 0
    "best constant function": 3.006,  # -1.6234 cos x, the best that knows nothing of the task
}


class MAMLSinusoids(eqx.Module):
    """Reproduces Table 2, the error curves and Figure 2 of the MAML paper on sinusoid regression.

    **Arguments:**

    - `steps`: meta-iterations; the paper's are 70 000.
    - `seeds`: repetitions of MAML, the pretrained net and the oracle, trained together; the paper has one.
    - `averaged_tasks`: separate networks that are averaged; the paper's are 500.
    - `averaged_points`, `averaged_steps`: points of each of those tasks, and Adam steps to fit them, from one common
      initialisation. The paper gives none of these, but that each network's error is below 0.02.
    - `test_tasks`: held-out tasks for each seed; the paper's are 600. Errors are over 100 queries, and not over as many
      as there are shots, which makes them less noisy.
    """

    steps: int = 70_000
    seeds: int = 5
    averaged_tasks: int = 500
    averaged_points: int = 20
    averaged_steps: int = 4000
    test_tasks: int = 600
    validation_tasks: int = 100

    def __check_init__(self):
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 1:
                raise InputError(
                    f"maml-sinusoids: `{name}={getattr(self, name)}`, but it must be at least 1."
                )

    def quick(self) -> "MAMLSinusoids":
        """A fast run of all parts, whose numbers are far from the published ones."""
        return MAMLSinusoids(1000, 2, 30, 20, 500, 100, 30)

    def with_steps(self, steps: int) -> "MAMLSinusoids":
        """The same study with another number of meta-iterations."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`. `options` go to `train`.

        **Returns:** what `result.json` holds.
        """
        learners = self._learners(folder, key, options)
        table = [r for learner in learners for r in self._table_rows(learner, key)]
        curves = [
            r for learner in learners if learner.curved for r in self._curve_rows(learner, key)
        ]
        halves, figure_task = self._half_range(learners, key)
        conflict = self._conflict(learners, key, folder)
        draw_curves(curves, folder)
        draw_figure2(figure_task, folder)
        result = {
            "rows": table + curves + halves + conflict,
            "learners": [learner.words() for learner in learners],
        }
        (folder / "README.md").write_text(page(result, self))
        return result

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
            where = folder / "checkpoints" / name.replace(", ", "-").replace(" ", "-").lower()
            arguments = {"steps": self.steps, "key": seed_keys(key, 1, self.seeds)} | more | options
            run = train(method, models, tasks, optimiser, out=where, name=name, **arguments)
            return (
                run.model,
                run.seconds,
                run.compile_seconds,
                np.asarray(run.metrics["loss"])[:, -1:].mean(),
            )

        def averaged(name: str, to_zero: float = 0.0, to_mean: float = 0.0) -> tuple[Any, ...]:
            # One set of networks: with 500 of them, what is left to chance is small.
            set_key, model_key = seed_keys(key, 2, 2)
            numbered = Numbered(self.averaged_tasks, self.averaged_points)(
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
            return eqx.filter_vmap(lambda m: for_task(m, jnp.asarray(-1)))(model), *rest

        tuned = tuple(FineTune(mse, lr, 10) for lr in LRS)
        pooled = Pooled(mse)
        return [
            Learner("averaged", tuned, *averaged("averaged")),
            Learner("averaged, l2", tuned, *averaged("averaged, l2", to_zero=1e-3)),
            Learner(
                "averaged, to the mean", tuned, *averaged("averaged, to the mean", to_mean=1e-1)
            ),
            Learner(
                "pretrained on all tasks",
                tuned,
                *trained("pretrained", pooled, models, tasks),
                curved=True,
            ),
            Learner(
                "MAML", tuned[3:4], *trained("MAML", MAML(mse, 0.01), models, tasks), curved=True
            ),
            Learner(
                "oracle",
                (AsIs(),),
                *trained("oracle", pooled, informed, Revealed(tasks)),
                curved=True,
                view=Revealed,
            ),
        ]

    # Scoring

    def _tasks(
        self, learner: "Learner", split: Split, tasks: Sinusoids, key: Key[Array, ""], num: int
    ) -> Task:
        seeds = jax.tree.leaves(eqx.filter(learner.models, eqx.is_array))[0].shape[0]
        # Twenty support points are drawn always, of which `score_seeds` takes the first: one program for all shots.
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
        return learner.errors(
            adapter, self._tasks(learner, Split.TEST, tasks, key, self.test_tasks), tasks.shots
        ), adapter

    def _table_rows(self, learner: "Learner", key: Key[Array, ""]) -> list[dict[str, Any]]:
        if learner.name not in PUBLISHED:
            return []
        errors, adapter = self._errors(learner, Sinusoids(shots=5, queries=100), key)
        common = {
            "part": "table 2",
            "recipe": learner.name,
            "tasks": "new",
            "shots": 5,
            "lr": _lr(adapter),
        }
        return [
            row(errors[..., step], published, SOURCE, **common, steps=step)
            for step, published in zip(TABLE_STEPS, PUBLISHED[learner.name], strict=True)
        ]

    def _curve_rows(self, learner: "Learner", key: Key[Array, ""]) -> list[dict[str, Any]]:
        found = []
        for shots in CURVE_SHOTS:
            errors, adapter = self._errors(learner, Sinusoids(shots=shots, queries=100), key)
            common = {"part": "curves", "recipe": learner.name, "tasks": "new", "shots": shots}
            common |= {"lr": _lr(adapter)}
            found += [
                row(errors[..., step], **common, steps=step) for step in range(errors.shape[-1])
            ]
        return found

    def _half_range(
        self, learners: list["Learner"], key: Key[Array, ""]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Figure 2: all five points in the right half; errors in the half that has none, and one task drawn."""
        halves = {"left": (-5.0, 0.0), "right": (0.0, 5.0)}
        found, drawn = [], {}
        for learner in (one for one in learners if one.name in ("MAML", "pretrained on all tasks")):
            whole = Sinusoids(shots=5, queries=100, support_inputs=halves["right"])
            adapter = self._tuned(learner, whole, key)
            batch = self._tasks(learner, Split.TEST, whole, key, self.test_tasks)
            for half, (low, high) in halves.items():
                there = (batch.query.x[..., 0] >= low) & (batch.query.x[..., 0] <= high)
                inside = eqx.tree_at(
                    lambda b: b.query.weight, batch, there.astype(batch.query.weight.dtype)
                )
                errors = learner.errors(adapter, inside, whole.shots)
                common = {
                    "part": "figure 2",
                    "recipe": learner.name,
                    "tasks": "new",
                    "shots": 5,
                    "lr": _lr(adapter),
                }
                common |= {"points_in": "right half", "scored_in": f"{half} half"}
                found += [row(errors[..., step], **common, steps=step) for step in (0, 1, 10)]
            drawn[learner.name] = _functions(learner, adapter, batch)
        return found, drawn

    def _conflict(
        self, learners: list["Learner"], key: Key[Array, ""], folder: Path
    ) -> list[dict[str, Any]]:
        """How much the pretraining tasks contradict each other at the network that they led to."""
        pretrained = next(
            learner for learner in learners if learner.name == "pretrained on all tasks"
        )
        model = jax.tree.map(
            lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, pretrained.models
        )
        batch = Sinusoids(shots=100, queries=1).draw(60, Split.TRAIN, key=jr.fold_in(key, 5))
        order = jnp.argsort(batch.latents[:, 1])
        gradients = as_rows(
            task_gradients(mse, model, jax.tree.map(lambda leaf: leaf[order], batch))[1]
        )
        length = jnp.linalg.norm(gradients, axis=1)
        cosines = np.asarray(gradients @ gradients.T / length[:, None] / length[None, :])
        pairs = cosines[np.triu_indices(len(cosines), 1)]
        left_over = float(jnp.linalg.norm(gradients.mean(axis=0)) / length.mean())
        draw_conflict(cosines, np.asarray(batch.latents[order, 1]), left_over, folder)
        common = {
            "part": "gradient conflict",
            "recipe": pretrained.name,
            "tasks": "past",
            "shots": 100,
            "steps": 0,
        }
        return [
            common
            | {
                "quantity": "pairs of tasks whose gradients point apart",
                "value": float((pairs < 0).mean()),
            },
            common
            | {
                "quantity": "length of the mean gradient / mean length of the gradients",
                "value": left_over,
            },
        ]


class Learner(eqx.Module):
    """A trained row of the table: its adapters, and its models with a leading `seeds` axis."""

    name: str
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

    def words(self) -> dict[str, Any]:
        return {
            "recipe": self.name,
            "train_seconds": round(self.seconds, 2),
            "compile_seconds": round(self.compile_seconds, 2),
            "last_training_loss": float(self.final_loss),
        }


_ADAM = optax.adam(1e-3)


def _lr(adapter: AbstractAdapter) -> float | None:
    return getattr(adapter, "lr", None)


def _network(key: Key[Array, ""], in_size: int = 1) -> MLP:
    """Two hidden layers of 40 units, weights from a truncated normal of 0.01: the paper's code."""
    return MLP(in_size, 1, width=40, depth=2, initialiser=truncated_normal(0.01), key=key)


def _functions(learner: Learner, adapter: AbstractAdapter, batch: Task) -> dict[str, np.ndarray]:
    """Seed 0's functions for its first test task: before, and after each step."""
    model, task = (
        jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, tree)
        for tree in (learner.models, jax.tree.map(lambda leaf: leaf[0], batch))
    )
    grid = jnp.linspace(-5, 5, 201)[:, None]
    support = jax.tree.map(lambda leaf: leaf[:5], task.support)
    seen = trace(adapter, model, support, lambda predictor: predict(predictor, grid))
    truth = Sinusoids().function(task.latents, grid[:, 0])
    points = {"x": support.x[:, 0], "y": support.y[:, 0]}
    return {
        name: np.asarray(a)
        for name, a in {"grid": grid[:, 0], "seen": seen[..., 0], "truth": truth, **points}.items()
    }


# Pictures


def draw_curves(curves: list[dict[str, Any]], folder: Path) -> None:
    """Error against gradient steps, a panel for each number of shots."""
    figure, axes = new_figure(1, 3, width=10, height=3.4, sharey=True)
    names = {"pretrained on all tasks": COLOURS[0], "MAML": COLOURS[2], "oracle": INK}
    for axis, shots in zip(axes[0], CURVE_SHOTS, strict=True):
        for name, colour in names.items():
            points = [r for r in curves if r["recipe"] == name and r["shots"] == shots]
            steps, error, half = (
                np.array([r[k] for r in points]) for k in ("steps", "error", "ci95")
            )
            if name == "oracle":  # it does not adapt: one value for all steps
                steps, error, half = np.arange(11), np.repeat(error, 11), np.repeat(half, 11)
            axis.plot(
                steps, error, color=colour, label=name, linestyle="--" if name == "oracle" else "-"
            )
            axis.fill_between(
                steps, error - half, error + half, color=colour, alpha=0.15, linewidth=0
            )
        axis.axhline(ANCHORS["best constant function"], color=FAINT, linestyle=":", linewidth=1)
        axis.set_title(f"{shots} points", fontsize=11)
        axis.set_xlabel("gradient steps on the new task")
        axis.set_ylim(bottom=0)
    axes[0][0].set_ylabel("mean squared error")
    axes[0][0].text(
        10,
        ANCHORS["best constant function"] + 0.06,
        "best without the task: 3.006",
        fontsize=8,
        ha="right",
    )
    axes[0][2].legend(frameon=False, fontsize=9, loc="upper right", bbox_to_anchor=(1, 0.8))
    write_figure(figure, folder, "curves")


def draw_figure2(drawn: dict[str, dict[str, np.ndarray]], folder: Path) -> None:
    """Five points in one half of the range: MAML beside the pretrained net."""
    figure, axes = new_figure(1, 2, width=10, height=3.8, sharey=True)
    for axis, name in zip(axes[0], ("MAML", "pretrained on all tasks"), strict=True):
        d = drawn[name]
        axis.plot(d["grid"], d["truth"], color=COLOURS[1], linewidth=2, label="true sine")
        axis.plot(d["grid"], d["seen"][0], color=FAINT, linestyle=":", label="before any step")
        axis.plot(d["grid"], d["seen"][1], color=COLOURS[5], linestyle="--", label="after 1 step")
        axis.plot(d["grid"], d["seen"][10], color=COLOURS[2], label="after 10 steps")
        axis.plot(d["x"], d["y"], "^", color=COLOURS[7], markersize=8, label="the five points")
        axis.axvspan(-5, 0, color=FAINT, alpha=0.08, linewidth=0)
        axis.set_title(
            {"MAML": "MAML"}.get(name, "pretrained on all tasks, fine-tuned"), fontsize=11
        )
        axis.set_xlabel("x (no points in the grey half)")
    axes[0][0].set_ylabel("y")
    axes[0][1].legend(frameon=False, fontsize=9, loc="best")
    write_figure(figure, folder, "figure2")


def draw_conflict(cosines: np.ndarray, phases: np.ndarray, left_over: float, folder: Path) -> None:
    """Cosines between task gradients at the pretrained net."""
    figure, axes = new_figure(1, 1, width=5.6, height=4.6)
    axis = axes[0][0]
    axis.grid(False)
    image = axis.imshow(cosines, cmap="RdBu_r", vmin=-1, vmax=1)
    ticks = np.linspace(0, len(phases) - 1, 5).astype(int)
    axis.set_xticks(ticks, [f"{phases[i]:.1f}" for i in ticks])
    axis.set_yticks(ticks, [f"{phases[i]:.1f}" for i in ticks])
    axis.set_xlabel("phase of the task (radians)")
    axis.set_ylabel("phase of the task (radians)")
    axis.set_title(
        f"Task gradients at the pretrained net: their mean is\n{left_over:.0%} as long as they are",
        fontsize=11,
    )
    figure.colorbar(
        image, ax=axis, label="cosine (below 0: what helps one task hurts the other)", shrink=0.85
    )
    write_figure(figure, folder, "conflict")


# Words


def verdict_on_halves(result: dict[str, Any]) -> str:
    """What Figure 2 is for, and whether the numbers bear it out."""
    rows = [
        r
        for r in result["rows"]
        if r["part"] == "figure 2" and r["scored_in"] == "left half" and r["steps"] == 10
    ]
    maml, pretrained = (
        {r["recipe"]: r["error"] for r in rows}[name]
        for name in ("MAML", "pretrained on all tasks")
    )
    if maml < 0.5 * pretrained:
        return (
            f"MAML fills in the half without points ({pretrained / maml:.1f} times less error there), for it has learnt that"
            " the function is a sine; the pretrained net cannot."
        )
    return "In this run MAML does not fill in the half without points better than the pretrained net: it was trained too little."


def diverged(result: dict[str, Any]) -> str:
    """A paragraph on tasks on which adaptation itself diverged, if there are any."""
    rows = [
        r
        for r in result["rows"]
        if r.get("diverged_tasks") and r["part"] == "table 2" and r["steps"] == 10
    ]
    each = [f"{r['recipe']} on {r['diverged_tasks']} of {r['num_tasks']:,}" for r in rows]
    words = (
        "\nOn a few tasks ten steps of this size climb and do not descend, because the five points lie where the network is"
        " steep (the largest curvature of their loss is above 2 / step size). Those have errors above 100, are counted"
        f" here, and are left out of the means: {', '.join(each)}. Tasks near the edge still weigh on some seeds:"
        f" {by_seed(result)}\n"
    )
    return words if each else ""


def by_seed(result: dict[str, Any]) -> str:
    """MAML's errors for each seed, after 1, 5 and 10 steps."""
    rows = [
        r["by_seed"] for r in result["rows"] if r["part"] == "table 2" and r["recipe"] == "MAML"
    ]
    seeds = [" / ".join(f"{error:.2f}" for error in seed) for seed in zip(*rows, strict=True)]
    return f"seed by seed MAML has {', '.join(seeds)}."


def page(result: dict[str, Any], study: MAMLSinusoids) -> str:
    """The page of results, all of its numbers from `result`."""
    table = [r for r in result["rows"] if r["part"] == "table 2"]
    head = [
        "5 points, mean squared error",
        *[f"{s} step{'s' * (s > 1)}" for s in TABLE_STEPS],
        "step size",
        "agrees",
    ]
    lines = [head]
    for name in PUBLISHED:
        mine = [r for r in table if r["recipe"] == name]
        lines.append(
            [
                f"**{name}**, ours",
                *[f"{r['error']:.2f} ± {r['ci95']:.2f}" for r in mine],
                f"{mine[0]['lr']}",
                "",
            ]
        )
        verdict = ", ".join("yes" if r["agrees"] else "no" for r in mine)
        lines.append([f"{name}, published", *[f"{r['published']:.2f}" for r in mine], "", verdict])
    half = {
        (r["recipe"], r["scored_in"], r["steps"]): f"{r['error']:.2f} ± {r['ci95']:.2f}"
        for r in result["rows"]
        if r["part"] == "figure 2"
    }
    halves = [["error after 10 steps", "in the half with the points", "in the half without"]]
    halves += [
        [n, half[n, "right half", 10], half[n, "left half", 10]]
        for n in ("MAML", "pretrained on all tasks")
    ]
    conflict = {
        r["quantity"]: r["value"] for r in result["rows"] if r["part"] == "gradient conflict"
    }
    apart, left_over = conflict.values()
    times = ", ".join(f"{w['recipe']} {w['train_seconds']:.0f} s" for w in result["learners"])
    before = next(
        r
        for r in result["rows"]
        if r["part"] == "curves"
        and r["recipe"] == "pretrained on all tasks"
        and r["shots"] == 5
        and r["steps"] == 0
    )
    fits = max(w["last_training_loss"] for w in result["learners"] if w["recipe"] == "averaged")
    return f"""# Sine waves from five points: MAML against fine-tuning

Made by `learnset study maml-sinusoids`; {study.steps:,} meta-iterations of 25 tasks, {study.seeds} seeds,
{study.test_tasks} held-out tasks a seed. All numbers are in [result.json](result.json).
Source of the published values: {SOURCE}.

## Table 2

{markdown_table(lines)}

± is the 95 % interval: Student's over seed means, and over tasks where there is one seed (the averaged networks).
*Agrees* for 1, 5, 10 steps: the two differ by less than the drawing of test tasks explains, ours and theirs together.
Step sizes of all but MAML were chosen on validation tasks.

The averaged networks had a mean error of {fits:.4f} on the points of their own tasks (the paper: below 0.02 each); their
number of points, initialisation and penalties are not in the paper.
{diverged(result)}

## Before any step

The pretrained net has {before["error"]:.2f} ± {before["ci95"]:.2f}; the best function that knows nothing of the task,
−1.6234 cos x, has {ANCHORS["best constant function"]}, and predicting zero {ANCHORS["zero"]}.

## Curves

![Error against gradient steps](curves.svg)

## Figure 2: five points in one half

![MAML and the pretrained net on five points](figure2.svg)

{markdown_table(halves)}

{verdict_on_halves(result)} The task drawn is the first held-out one of the first seed.

## Why pretraining does not help

![Cosines between task gradients](conflict.svg)

Pretraining tasks contradict each other: at the network that they led to, {apart:.0%} of all pairs have gradients that
point apart, and the mean gradient is {left_over:.0%} as long as the gradients are: what is left to learn for one task is
unlearnt for another, and the net settles for their average.

## Time

Training took {times} (without compilation; seeds together).
"""
