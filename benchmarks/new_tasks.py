"""Measures what recipes for new tasks reach from a few rows of tables that they were not made on.

Usage: python benchmarks/new_tasks.py [--only NAME ...]

Five simulated tables, from noisy tasks that differ in an offset alone to tasks that have nothing in
common. Errors are mean squared, in variances of the target, on tasks that are held out: `constant`
is the mean of all other tasks, and nothing that adapts may be worse than it.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import in_pieces, Pieces, run, table as grid

from learnset_studies.simulated_tables import arrays, INPUTS, ROWS, TABLES, TASKS

SHOTS = (2, 5, 10, 20)
DIVISIONS = 5  # of the tasks; each holds out others
STEPS = 600  # of training of a network
CONSTANT = "constant"


def on_table(name: str) -> dict[str, Any]:
    """The error of each recipe for each number of rows, and the part of adaptations that were
    stopped; the recipe that is recommended for each number of rows."""
    import jax.random as jr

    import learnset as ls
    from learnset.comparison import Budget, compare, NewTableTasks, Recipe
    from learnset.recipes import held_out
    from learnset.transfer import Constant

    began = time.process_time()
    question = NewTableTasks.of_table(
        ls.Table.from_arrays(*arrays(name)),
        np.arange(TASKS),
        shots=SHOTS,
        seeds=range(DIVISIONS),
        queries=ROWS - SHOTS[-1],
        watched=(1, 2, 5, 10, 20, 50, 100),
    )
    constant = Recipe(CONSTANT, ls.Setting.BOUND, adapters=(Constant(0.0),))
    result = compare(
        [constant, *held_out.standard(question.family)],
        lambda key: ls.MLP(INPUTS, 1, width=40, depth=2, key=key),
        question,
        key=jr.key(0),
        budget=Budget(STEPS, 25),
        progress=False,
    )
    recipes = {
        outcome.name: {
            "errors": [list(map(float, result.value(outcome, shots))) for shots in SHOTS],
            "stopped": [None if pair is None else list(pair) for pair in outcome.stopped],
        }
        for outcome in result
    }
    best = [getattr(result.recommended(shots), "name", "") for shots in SHOTS]
    seconds = time.process_time() - began
    return {"recipes": recipes, "recommended": best, "seconds": seconds}


def measure(benchmark: Pieces) -> dict[str, Any]:
    return in_pieces(benchmark, on_table, tuple(TABLES))


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    tables = {name: result[name] for name in TABLES if name in result}
    parts = "\n\n".join(_part(name, of) for name, of in tables.items())
    above = [
        f"{recipe} at {shots} rows ({name})"
        for name, of in tables.items()
        for recipe, errors in of["recipes"].items()
        for shots, (error, half), bound in zip(
            SHOTS, errors["errors"], of["recipes"][CONSTANT]["errors"], strict=True
        )
        if error - half > bound[0] and recipe != CONSTANT
    ]
    return f"""# New tasks from few rows

Made by `python benchmarks/new_tasks.py`. Simulated tables of {TASKS} tasks with {ROWS} rows of
{INPUTS} inputs. Errors are mean squared, in variances of the target, on tasks that are held out,
from 2 to 20 of their rows, with 95 % intervals over tasks of {DIVISIONS} divisions. `{CONSTANT}` is
the mean of all other tasks. Penalties, step sizes and numbers of steps are chosen on validation
tasks, for each number of rows; `stopped` is the part of adaptations that were stopped because they
fitted their own rows worse than a constant, over all numbers of rows.

Above the constant by more than the interval: {", ".join(above) or "none"}. Not measured:
{", ".join(name for name in TABLES if name not in result) or "none"}.

{parts}
"""


def _part(name: str, of: dict[str, Any]) -> str:
    lines = []
    for recipe, numbers in of["recipes"].items():
        pairs = [pair for pair in numbers["stopped"] if pair]
        stopped = f"{sum(p[0] for p in pairs) / sum(p[1] for p in pairs):.0%}" if pairs else ""
        errors = [f"{error:.3f} ± {half:.3f}" for error, half in numbers["errors"]]
        lines.append((recipe, *errors, stopped))
    lines.append(("*recommended*", *of["recommended"], ""))
    text = " ".join((TABLES[name].__doc__ or "").split())
    rows = grid(("recipe", *(f"{shots} rows" for shots in SHOTS), "stopped"), lines)
    return f"## {name.capitalize()}\n\n{text} {of['seconds']:.0f} s of the processor.\n\n{rows}"


if __name__ == "__main__":
    run(Pieces(Path("docs/results/benchmarks-new-tasks")), (on_table,), measure, page)
