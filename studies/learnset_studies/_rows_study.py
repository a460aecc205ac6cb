"""Parts that the studies of tables share: recipes tuned alike on the same divisions of the rows,
their scores, and the words of a page."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Int, Key

from learnset.comparison import compare, Recipe, SeenTasks, Setting
from learnset.core import (
    AbstractMethod,
    FAINT,
    finite,
    INK,
    InputError,
    interval,
    new_figure,
    write_figure,
)
from learnset.data import Table
from learnset.models import MLP
from learnset.recipes import rows as of_rows
from learnset.recipes.regression import Heads
from learnset.report import Grid, look, Paragraph, Picture, Section

BALANCED = f"{of_rows.SHARED} + "  # and the name of the balancer


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Divided(Table):
    """A table whose rows are divided into parts other than six, two and two tenths."""

    parts: tuple[float, float, float] = (0.6, 0.2, 0.2)

    @classmethod
    def of(cls, table: Table, parts: tuple[float, float, float]) -> "Divided":
        fields = {field.name: getattr(table, field.name) for field in dataclasses.fields(table)}
        return cls(**fields, parts=parts)

    def split_rows(self, *, seed: int = 0, parts: Any = None) -> Int[np.ndarray, "rows"]:
        del parts
        return super().split_rows(seed=seed, parts=self.parts)


def check_sizes(name: str, *, seeds: int, steps: int, width: int) -> None:
    """**Raises:** `InputError` for sizes of which nothing can be learnt."""
    if seeds < 2 or steps < 1 or width < 1:
        raise InputError(f"{name}: `seeds` must be at least 2, `steps` and `width` at least 1.")


# The run.


def chosen_recipes(
    table: Table, names: Sequence[str], *, steps: int, lrs: tuple[float, ...]
) -> list[Recipe]:
    """Standard recipes by name."""
    options: dict[str, Any] = {"classes": bool(table.classes), "steps": steps, "lrs": lrs}
    standard = of_rows.standard(len(table), table.x.shape[1], **options)
    by_name = {recipe.name: recipe for recipe in standard}
    return [by_name[name] for name in names]


def balanced(
    name: str,
    method: AbstractMethod,
    source: str,
    *,
    num_tasks: int,
    steps: int,
    lrs: tuple[float, ...],
) -> Recipe:
    """A shared body trained by a balancer, with the grid of the other networks."""
    loss: Any = method.loss  # pyright: ignore[reportAttributeAccessIssue]  # all of these have one
    networks = of_rows.Networks(num_tasks, loss, steps, lrs)
    learners = networks.of_tasks(method, Heads(num_tasks))
    return Recipe(f"{BALANCED}{name}", Setting.MULTI_TASK, learners, source=source)


def compared(
    recipes: Sequence[Recipe],
    table: Table,
    folder: Path,
    key: Key[Array, ""],
    *,
    seeds: int,
    width: int,
    depth: int,
    **options: Any,
) -> dict[str, Any]:
    """The comparison for `result.json`: rows of each recipe over all seeds and of each task, and
    the recipes that diverged.

    **Arguments:** `seeds`: divisions of the rows. `width`, `depth`: of the common network.
    `options` go to `compare`.
    """
    question = SeenTasks.of_table(table, seeds=range(seeds))
    ins, outs = question.sizes

    def network(key: Key[Array, ""]) -> MLP:
        return MLP(ins, outs, width=width, depth=depth, key=key)

    comparison = compare(recipes, network, question, key=key, out=folder, **options)
    rows = [r | {"part": "recipes"} for r in comparison.records() if r["seed"] is None]
    scratch = [outcome for outcome in comparison if outcome.recipe.setting is Setting.SCRATCH]
    alone = comparison.best_of("a model for each task", scratch)
    assert alone is not None  # all studies have some
    for row in rows:
        outcome = comparison[row["recipe"]]
        mean, half = comparison.difference(outcome, alone)
        row |= {"difference": finite(mean), "difference_ci95": finite(half)}
        row["by_seed"] = [round(float(value), 4) for value in outcome.overall_at(None)]
        if outcome.name.startswith(BALANCED) and outcome.name != of_rows.EQUAL:
            mean, half = comparison.difference(outcome, comparison[of_rows.EQUAL])
            row |= {"to_uniform": finite(mean), "to_uniform_ci95": finite(half)}
    for outcome in comparison:
        of_tasks = outcome.at(None)
        for number, task in enumerate(comparison.rows.names):
            value, half = interval(of_tasks[:, number : number + 1])
            row = {"part": "tasks", "recipe": outcome.name, "task": task}
            rows.append(row | {"value": finite(value), "ci95": finite(half)})
    return {"rows": rows, "failures": comparison.failures}


# The page.


class Scale(NamedTuple):
    """A scale on which scores are printed: `times` the score, with some digits after the point."""

    times: int
    digits: int

    def score(self, value: float) -> str:
        return f"{self.times * value:.{self.digits}f}"

    def difference(self, value: float, half: float) -> str:
        value = round(self.times * value, self.digits) + 0.0  # no negative zero
        return f"{value:+.{self.digits}f} ± {self.score(half)}"


FRACTION, PERCENT = Scale(1, 3), Scale(100, 1)


def recipe_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in result["rows"] if row["part"] == "recipes"]


def draw_scores(
    result: dict[str, Any],
    folder: Path,
    *,
    label: str,
    scale: Scale = FRACTION,
    published: dict[str, float] | None = None,
) -> None:
    """`scores`: each recipe's score with its interval, and published ones below them."""
    ours, published = recipe_rows(result), published or {}
    lines = len(ours) + len(published)
    figure, axes = new_figure(1, 1, width=8.4, height=1.5 + 0.33 * lines)
    axis = axes[0][0]
    for line, row in enumerate(ours):
        colour = look(row["setting"]).colour
        value, half = scale.times * row["value"], scale.times * (row["ci95"] or 0)
        axis.errorbar(value, line, xerr=half, fmt="o", color=colour, capsize=3, markersize=6)
    axis.set_yticks(range(lines), [*(row["recipe"] for row in ours), *published])
    axis.set_ylim(lines - 0.5, -0.7)
    axis.set_xlabel(label)
    looks = dict.fromkeys(look(row["setting"]) for row in ours)
    handles = [axis.plot([], [], "o", color=colour, label=name)[0] for name, colour in looks]
    if published:
        axis.axhline(len(ours) - 0.5, color=FAINT, linewidth=1)
        values, places = list(published.values()), range(len(ours), lines)
        style: dict[str, Any] = {"color": INK, "label": "published", "markersize": 5}
        handles += axis.plot(values, places, "D", **style)
    figure.legend(
        handles=handles, frameon=False, fontsize=9, loc="outside lower center", ncols=len(handles)
    )
    write_figure(figure, folder, "scores")


def answer_section(result: dict[str, Any], head: str, scale: Scale = FRACTION) -> Section:
    """The answer, and recipes with their scores and how far these are above a model for each task,
    paired by seed."""
    rows = recipe_rows(result)
    lines = []
    for row in rows:
        gain, half = row["difference"], row["difference_ci95"]
        above = scale.difference(gain, half) if (gain, half) != (0, 0) else "the baseline"
        score = f"{scale.score(row['value'])} ± {scale.score(row['ci95'])}"
        lines.append((row["recipe"], look(row["setting"]).name, score, above))
    heads = ("recipe", "setting", head, "above a model for each task")
    parts = [Paragraph(_answer(rows, scale), boxed=True), Grid(heads, tuple(lines), left=2)]
    if result["failures"]:
        parts.append(Paragraph(f"Diverged, and left out: {', '.join(result['failures'])}."))
    return Section("", tuple(parts), brief=True)


def scores_section(words: str) -> Section:
    """The figure of `draw_scores`."""
    return Section("", (Picture("scores", f"{words} with 95 % intervals over divisions."),))


def _answer(rows: list[dict[str, Any]], scale: Scale) -> str:
    """Whether learning together helped, and whether a balancer helped it, in words."""
    best = max(rows, key=lambda row: row["value"])
    together = [row for row in rows if Setting(row["setting"]) is Setting.MULTI_TASK]
    better, worse = _significant(together, "difference")
    answer = (
        f"**Learnt together, significantly better than a model for each task**: {_names(better)}."
        f" **Significantly worse**: {_names(worse)}. (The 95 % interval of the paired difference"
        " excludes zero; the model for each task is a ridge regression or a network, whichever"
        f" predicts validation rows better.) The highest score is that of {best['recipe']},"
        f" {scale.score(best['value'])} ± {scale.score(best['ci95'])}."
    )
    balancers = [row for row in rows if "to_uniform" in row]
    if not balancers:
        return answer
    finer = scale._replace(digits=scale.digits + 1)
    each = ", ".join(
        f"{_balancer(row)} {finer.difference(row['to_uniform'], row['to_uniform_ci95'])}"
        for row in balancers
    )
    better, worse = _significant(balancers, "to_uniform")
    end = (
        f"Significantly better than equal weights: {_names(better, _balancer)}; significantly"
        f" worse: {_names(worse, _balancer)}."
        if better or worse
        else "None differs significantly: tuned alike, balancers and equal weights cannot be told"
        " apart."
    )
    return f"{answer}\n\n**A balancer instead of equal weights of all tasks**: {each}. {end}"


def _significant(
    rows: list[dict[str, Any]], difference: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those whose difference is above zero by more than its interval, and those below."""
    better = [row for row in rows if row[difference] > row[f"{difference}_ci95"]]
    worse = [row for row in rows if -row[difference] > row[f"{difference}_ci95"]]
    return better, worse


def _names(
    rows: list[dict[str, Any]], name: Callable[[dict[str, Any]], str] = lambda row: row["recipe"]
) -> str:
    return ", ".join(map(name, rows)) or "none"


def _balancer(row: dict[str, Any]) -> str:
    return row["recipe"].removeprefix(BALANCED)


def stopping(sizes: dict[str, Any], lrs: tuple[float, ...], *, alone: bool = False) -> str:
    """How recipes were tuned whose networks train until validation rows are predicted no better, in
    words.

    **Arguments:** `alone`: whether networks per task choose their size, as the shared body does.
    """
    choose, these = ("shared body chooses its", "it")
    if alone:
        choose, these = ("networks per task and the shared body choose their", "these two")
    return (
        f"Each recipe's settings are chosen on validation rows, for each of {sizes['seeds']}"
        " divisions separately: the penalty of a linear model, and for every network step sizes of"
        f" {_numbers(lrs)} with decays of {_numbers(of_rows.DECAYS)} (AdamW, in mini-batches, until"
        f" validation rows are predicted no better, {sizes['steps']} steps at most). The {choose}"
        f" size as well: hidden layers of {sizes['width']}, or two or three of 128. Balancers and"
        " equal weights have the first, so that they are to be compared with each other, and not"
        f" with {these}. The winner is learnt once more from training and validation rows. ± is"
        " half the 95 % interval over divisions, corrected for the rows that they share (Nadeau &"
        " Bengio 2003). Differences are paired by division, and their intervals are not corrected"
        " for the number of recipes."
    )


def _numbers(values: Sequence[float]) -> str:
    return " and ".join(f"{value:g}" for value in values)
