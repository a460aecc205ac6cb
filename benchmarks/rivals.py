"""Measures what learnset recommends for a table against what a user of scikit-learn would fit:
gradient boosting with the task as a category.

Usage: python benchmarks/rivals.py [--only NAME ...]

Both see the same divisions of the rows. The recommendation is that of `learnset compare` with its
defaults, chosen on validation rows among all recipes. The rival is scikit-learn's
HistGradientBoosting, written here without learnset: a small grid and the number of rounds are
chosen on validation rows, and the winner is fitted again to training and validation rows.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import in_pieces, Pieces, run, table as grid

DIVISIONS = 5
GRID = ((0.1, 31), (0.1, 8), (0.05, 31), (0.05, 8))  # learning rates and leaves
ROUNDS, PATIENCE = 500, 20
MOLECULES = 2000  # of Tox21, so that all recipes are compared in minutes
TASKS, ROWS, INPUTS = 30, 60, 6  # of the generated tables


def linear(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One linear function, an offset for each task, and noise."""
    offsets = random.normal(size=(TASKS, 1))
    return x @ random.normal(size=INPUTS) + 2 * offsets + random.normal(0, 1, x.shape[:2])


def smooth(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One smooth function of two inputs, which each task has in another height."""
    height = 1 + 0.3 * random.normal(size=(TASKS, 1))
    return height * (np.sin(2 * x[..., 0]) + x[..., 1] ** 2) + random.normal(0, 0.3, x.shape[:2])


def steps(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Steps of three inputs that meet in corners, and an offset for each task: made for trees."""
    corner = (x[..., 0] > 0) & (x[..., 1] > 0.5)
    other = (x[..., 2] > 0) & (x[..., 0] < 0.5)
    offsets = random.normal(0, 0.5, (TASKS, 1))
    return 3.0 * corner + 2.0 * other + offsets + random.normal(0, 0.3, x.shape[:2])


GENERATED: dict[str, Callable[..., np.ndarray]] = {
    "linear with offsets": linear,
    "smooth": smooth,
    "tree-like": steps,
}
TABLES = (*GENERATED, "school", "sarcos", "tox21")


def table_of(name: str) -> Any:
    import learnset as ls

    if name not in GENERATED:
        table = getattr(ls.data, name)()
        if name != "tox21":
            return table
        chosen = np.random.default_rng(11).permutation(len(table.x)) < MOLECULES
        return table.some_rows(chosen)
    random = np.random.default_rng(11)
    x, task = random.normal(size=(TASKS, ROWS, INPUTS)), np.repeat(np.arange(TASKS), ROWS)
    y = GENERATED[name](x, random)
    return ls.Table.from_arrays(x.reshape(-1, INPUTS), y.reshape(-1), task)


def boosted(table: Any, part: np.ndarray) -> np.ndarray:
    """Predictions of tuned gradient boosting for all rows and tasks, "rows tasks"; of classes the
    probability of the second. Each of several targets is a task on the same rows, in its own
    standard deviations."""
    from sklearn.ensemble import (
        HistGradientBoostingClassifier as Classifier,
        HistGradientBoostingRegressor as Regressor,
    )

    rows = [table.rows_of(number) for number in range(len(table))]
    row, task = np.concatenate(rows), np.repeat(np.arange(len(rows)), list(map(len, rows)))
    several = table.task is None
    y = table.y[row, task if several else 0]
    mean, std = np.zeros(len(rows)), np.ones(len(rows))
    if several and not table.classes:
        for number in range(len(rows)):
            learnt = y[(task == number) & (part[row] == 0)]
            mean[number], std[number] = learnt.mean(), learnt.std()
    y = (y - mean[task]) / std[task]
    x = np.column_stack([task, table.x[row]])
    train, validation = (part[row] == number for number in (0, 1))
    kind = Classifier if table.classes else Regressor

    def of(rate: float, leaves: int, rounds: int, **options: Any) -> Any:
        options |= {"learning_rate": rate, "max_leaf_nodes": leaves, "max_iter": rounds}
        options |= {"categorical_features": [0], "random_state": 0}
        return kind(**options)

    best: Any = None
    until = {"early_stopping": True, "n_iter_no_change": PATIENCE, "scoring": "loss"}
    for rate, leaves in GRID:
        model = of(rate, leaves, ROUNDS, **until)
        model.fit(x[train], y[train], X_val=x[validation], y_val=y[validation])
        rounds = int(np.argmax(model.validation_score_))
        if best is None or model.validation_score_[rounds] > best[0]:
            best = model.validation_score_[rounds], rate, leaves, max(rounds, 1)
    _, rate, leaves, rounds = best
    model = of(rate, leaves, rounds, early_stopping=False)
    model.fit(x[train | validation], y[train | validation])
    answers = np.full((len(table.x), len(table)), np.nan)
    predicted = model.predict_proba(x)[:, 1] if table.classes else model.predict(x)
    answers[row, task] = mean[task] + std[task] * predicted
    return answers


def on_table(name: str) -> dict[str, Any]:
    """The measure of both, by division, and their difference."""
    import jax.random as jr

    import learnset as ls
    from learnset.comparison import compare, interval_of_divisions, SeenTasks
    from learnset.recipes import rows as of_rows

    began, table = time.process_time(), table_of(name)
    points = 8 if len(table) > 64 else 16
    question = SeenTasks.of_table(table, seeds=range(DIVISIONS), points_per_task=points)
    options: dict[str, Any] = {"classes": bool(table.classes), "targets": table.task is None}
    options["complete"] = bool(np.isfinite(table.y).all())
    options["num_rows"] = sum(len(table.rows_of(number)) for number in range(len(table)))
    recipes = of_rows.standard(len(table), question.sizes[0], **options)
    ins, outs = question.sizes
    result = compare(
        recipes,
        lambda key: ls.MLP(ins, outs, width=40, depth=2, key=key),
        question,
        key=jr.key(0),
        progress=False,
    )
    best, rows = result.recommended(), result.rows
    assert best is not None
    ours, spent = best.overall_at(None), time.process_time() - began
    began = time.process_time()
    scored = []
    for seed, part in enumerate(table.divisions(range(DIVISIONS))):
        answers = boosted(table, part)
        row, number = rows.row[seed], np.arange(len(table))[:, None]
        predicted = answers[row, number][..., None]
        if table.classes:
            observed = np.log(np.maximum(np.concatenate([1 - predicted, predicted], -1), 1e-12))
        else:  # in the units of the scored rows
            raw = table.y[row, number if table.task is None else 0][..., None]
            observed = rows.y[seed] + (predicted - raw) / rows.std[seed][:, None, None]
        scored.append(np.where(rows.present[seed][..., None], observed, 0.0))
    theirs = result.measure.overall(np.stack(scored)[:, :, None], rows)[:, -1]
    half = interval_of_divisions(ours - theirs, question.overlap)[1]
    return {
        "recipe": best.name,
        "measure": result.measure.name,
        "ours": ours.tolist(),
        "theirs": theirs.tolist(),
        "half": half,
        "seconds": [spent, time.process_time() - began],
        "versions": {"learnset": ls.__version__},
    }


def measure(benchmark: Pieces) -> dict[str, Any]:
    return in_pieces(benchmark, on_table, TABLES, {"OMP_NUM_THREADS": "1"})


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    lines, worse = [], []
    for name in (name for name in TABLES if name in result):
        of = result[name]
        ours, theirs = np.array(of["ours"]), np.array(of["theirs"])
        gap = float((ours - theirs).mean())
        if gap < -of["half"]:
            worse.append(name)
        values = [f"{mean:.3f}" for mean in (ours.mean(), theirs.mean())]
        seconds = [f"{spent:.0f}" for spent in of["seconds"]]
        gap_text = f"{gap:+.3f} ± {of['half']:.3f}"
        lines.append((name, of["measure"], of["recipe"], *values, gap_text, *seconds))
    head = ("table", "measure", "recommended", "recommendation", "boosting + task", "difference")
    return f"""# Recommendations against gradient boosting

Made by `python benchmarks/rivals.py`. The recipe that `learnset compare` recommends with its
defaults, against scikit-learn's HistGradientBoosting with the task as a category. {DIVISIONS}
divisions of the rows, the same for both: six tenths to train on, two to choose settings on, two to
score on. The rival chooses among {len(GRID)} settings and up to {ROUNDS} rounds on validation rows
(until {PATIENCE} rounds were no better), and is fitted again to training and validation rows. ± is
half the 95 % interval of the paired difference, corrected for the rows that divisions share.
Seconds are of the processor; those of the recommendation are of all recipes that were compared.

Worse by more than the interval: {", ".join(worse) or "none"}. Not measured:
{", ".join(name for name in TABLES if name not in result) or "none"}.

{grid((*head, "s", "s of boosting"), lines)}

Of Tox21 {MOLECULES:,} molecules are used. The generated tables have {TASKS} tasks of {ROWS} rows
and {INPUTS} inputs:

{chr(10).join(f"- {name}: {_text(make)}" for name, make in GENERATED.items())}
"""


def _text(make: Callable[..., np.ndarray]) -> str:
    return " ".join((make.__doc__ or "").split())


if __name__ == "__main__":
    run(Pieces(Path("docs/results/benchmarks-rivals")), (on_table,), measure, page)
