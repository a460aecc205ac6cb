"""What the studies of tables have in common: recipes tuned alike on the same divisions of the rows, ours beside the
published."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Array, Int, Key

from learnset.comparison import compare_rows, RowComparison, RowRecipe, Setting
from learnset.core import (
    AbstractMethod,
    COLOURS,
    FAINT,
    finite,
    INK,
    interval,
    new_figure,
    write_figure,
)
from learnset.data import Table
from learnset.models import MLP
from learnset.recipes.rows import DECAYS, Descended, shared_body, standard_rows

from ._study import markdown_table

WORDS = {  # what each setting is called in a page
    Setting.BOUND: "no inputs",
    Setting.SCRATCH: "a model for each task",
    Setting.TRANSFER: "one model for all",
    Setting.MULTI_TASK: "together",
}
HUES = {
    Setting.BOUND: FAINT,
    Setting.SCRATCH: COLOURS[1],
    Setting.TRANSFER: COLOURS[0],
    Setting.MULTI_TASK: COLOURS[2],
}
UNIFORM = "shared body"


class Divided(Table):
    """A table whose rows are divided into other parts than six, two and two tenths."""

    @classmethod
    def of(cls, table: Table, parts: tuple[float, float, float]) -> "Divided":
        divided = cls(
            **{field.name: getattr(table, field.name) for field in dataclasses.fields(table)}
        )
        object.__setattr__(divided, "parts", parts)  # frozen, and not yet seen by anyone
        return divided

    def split_rows(self, *, seed: int = 0, parts: Any = None) -> Int[np.ndarray, "rows"]:
        del parts
        return super().split_rows(seed=seed, parts=self.parts)


class Network:
    """Makes networks of one shape for inputs and targets of any length."""

    def __init__(self, width: int, depth: int):
        self.width, self.depth = width, depth

    def __call__(self, ins: int, outs: int) -> Callable[[Key[Array, ""]], MLP]:
        return lambda key: MLP(ins, outs, width=self.width, depth=self.depth, key=key)


def chosen_recipes(
    table: Table, names: Sequence[str], *, steps: int, lrs: tuple[float, ...]
) -> list[RowRecipe]:
    """Standard recipes by name."""
    options = {"classes": bool(table.classes), "steps": steps, "lrs": lrs}
    every = {
        recipe.name: recipe for recipe in standard_rows(len(table), table.x.shape[1], **options)
    }
    return [every[name] for name in names]


def balanced(
    method: AbstractMethod, name: str, source: str, *, steps: int, lrs: tuple[float, ...]
) -> RowRecipe:
    """A shared body trained by a balancer, with the grid of all other networks."""
    options: dict[str, Any] = {"loss": method.loss, "steps": steps, "every": max(1, steps // 30)}
    fits = tuple(
        Descended(method, make=shared_body, lr=lr, decay=decay, **options)
        for lr in lrs
        for decay in DECAYS
    )
    return RowRecipe(f"{UNIFORM}, {name}", Setting.MULTI_TASK, fits, source)


def compared(
    recipes: Sequence[RowRecipe],
    table: Table,
    network: Network,
    folder: Path,
    key: Key[Array, ""],
    *,
    seeds: int,
    resume: bool = False,
    **options: Any,
) -> tuple[RowComparison, list[dict[str, Any]]]:
    """The comparison, and its rows for `result.json`: of each recipe over all seeds, and of each task."""
    del options
    run = folder / "checkpoints"
    comparison = compare_rows(
        recipes, network, table, key=key, seeds=seeds, out=run, resume=resume, overwrite=not resume
    )
    rows = [r | {"part": "recipes"} for r in comparison.records() if r["seed"] is None]
    uniform = {outcome.name: outcome for outcome in comparison}.get(UNIFORM)
    for row in rows:
        outcome = comparison[row["recipe"]]
        row["by_seed"] = [
            round(float(score), 4) for score in comparison.rows.score(outcome.answers)
        ]
        if uniform is not None and row["recipe"].startswith(f"{UNIFORM}, "):
            row["to_uniform"], row["to_uniform_ci95"] = map(
                finite, comparison.difference(outcome, uniform)
            )
    for outcome in comparison:
        of_tasks = comparison.rows.of_tasks(outcome.answers)
        for number, task in enumerate(comparison.rows.names):
            value, half = interval(of_tasks[:, number : number + 1])
            row = {"part": "tasks", "recipe": outcome.name, "task": task}
            rows.append(row | {"score": finite(value), "ci95": finite(half)})
    return comparison, rows


def of_recipes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["part"] == "recipes"]


def draw_scores(
    rows: list[dict[str, Any]],
    folder: Path,
    *,
    label: str,
    percent: bool = False,
    published: dict[str, float] | None = None,
) -> None:
    """`scores`: each recipe's score with its interval, and published ones below them."""
    mine, theirs, times = of_recipes(rows), published or {}, 100 if percent else 1
    places = len(mine) + len(theirs)
    figure, axes = new_figure(1, 1, width=8.4, height=1.5 + 0.33 * places)
    axis = axes[0][0]
    for place, row in enumerate(mine):
        colour = HUES[Setting(row["setting"])]
        axis.errorbar(
            times * row["score"],
            place,
            xerr=times * (row["ci95"] or 0),
            fmt="o",
            color=colour,
            capsize=3,
            markersize=6,
        )
    axis.set_yticks(range(places), [*(row["recipe"] for row in mine), *theirs])
    axis.set_ylim(places - 0.5, -0.7)
    axis.set_xlabel(label)
    seen = dict.fromkeys(Setting(row["setting"]) for row in mine)
    handles = [
        axis.plot([], [], "o", color=HUES[setting], label=WORDS[setting])[0] for setting in seen
    ]
    if theirs:
        axis.axhline(len(mine) - 0.5, color=FAINT, linewidth=1)
        handles += axis.plot(
            list(theirs.values()),
            range(len(mine), places),
            "D",
            color=INK,
            label="published",
            markersize=5,
        )
    figure.legend(
        handles=handles, frameon=False, fontsize=9, loc="outside lower center", ncols=len(handles)
    )
    write_figure(figure, folder, "scores")


def score_table(rows: list[dict[str, Any]], head: str, *, percent: bool = False) -> str:
    """Recipes with their scores, and by how much they are above one model for each task, paired by seed."""
    times, digits = (100, 1) if percent else (1, 3)
    lines = [["recipe", "what is shared", head, "above a model for each task"]]
    for row in of_recipes(rows):
        apart = (
            f"{times * row['difference']:+.{digits}f} ± {times * row['difference_ci95']:.{digits}f}"
        )
        score = f"{times * row['score']:.{digits}f} ± {times * row['ci95']:.{digits}f}"
        lines.append([row["recipe"], WORDS[Setting(row["setting"])], score, apart])
    return markdown_table(lines)


def verdict(rows: list[dict[str, Any]], *, percent: bool = False) -> str:
    """Whether learning together helped, and whether any balancer beat the uniform sum, in words."""
    times, digits = (100, 1) if percent else (1, 3)
    mine = of_recipes(rows)
    together = [r for r in mine if Setting(r["setting"]) is Setting.MULTI_TASK]
    better = [r["recipe"] for r in together if r["difference"] > r["difference_ci95"]]
    worse = [r["recipe"] for r in together if r["difference"] < -r["difference_ci95"]]
    helps = f"Surely better than a model for each task, by an interval that leaves out zero: {', '.join(better) or 'none'}."
    helps += f" Surely worse: {', '.join(worse) or 'none'}."
    balancers = [r for r in mine if "to_uniform" in r]
    if not balancers:
        return helps
    name = {r["recipe"]: r["recipe"].removeprefix(f"{UNIFORM}, ") for r in balancers}
    gains = [
        (name[r["recipe"]], times * r["to_uniform"], times * r["to_uniform_ci95"])
        for r in balancers
    ]
    each = ", ".join(f"{who} {gain:+.{digits}f} ± {half:.{digits}f}" for who, gain, half in gains)
    apart = [r for r in balancers if abs(r["to_uniform"]) > r["to_uniform_ci95"]]
    if not apart:
        end = "No balancer differs from the uniform sum by more than chance: tuned alike, no difference is left to be seen."
    else:
        ups = [name[r["recipe"]] for r in apart if r["to_uniform"] > 0]
        downs = [name[r["recipe"]] for r in apart if r["to_uniform"] < 0]
        end = f"Above the uniform sum by more than chance: {', '.join(ups) or 'none'}; below it: {', '.join(downs) or 'none'}."
    return f"{helps}\n\nA shared body by a balancer, less the same by the uniform sum, paired by seed: {each}. {end}"


def tuning(steps: int, lrs: tuple[float, ...], seeds: int) -> str:
    """How everything was tuned, in words."""
    steps_words = ", ".join(f"{lr:g}" for lr in lrs)
    return (
        f"Each recipe's settings are chosen on validation rows, for each of {seeds} divisions apart: penalties of linear"
        f" models, and for every network step sizes of {steps_words} with decays of {', '.join(f'{d:g}' for d in DECAYS)} (AdamW,"
        f" {steps} steps, the best step on validation rows kept). All begin from the same network. ± is the 95 % interval,"
        " Student's over divisions, which share rows: it is too narrow for another sample of the same kind, and differences"
        " are paired."
    )
