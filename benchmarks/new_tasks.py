"""Measures what recipes for new tasks reach from a few rows of tables that they were not made on.

Usage: python benchmarks/new_tasks.py [--divisions 5] [--only NAME ...]

Five simulated tables, from noisy tasks that differ in an offset alone to tasks that have nothing in
common. Errors are mean squared, in variances of the target, on tasks that are held out: `constant`
is the mean of all other tasks, and nothing that adapts may be worse than it.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax.random as jr
import numpy as np
import tyro
from harness import table as grid

import learnset as ls
from learnset.comparison import Budget, compare, NewTableTasks, Recipe
from learnset.recipes import held_out
from learnset.transfer import Constant

TASKS, ROWS, INPUTS = 40, 40, 3
SHOTS = (2, 5, 10, 20)


def noisy_offsets(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Tasks with an offset each, and noise that is larger than all else."""
    return x[..., 0] + random.normal(size=(TASKS, 1)) + random.normal(0, 2.5, x.shape[:2])


def noisy_slopes(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Tasks with an offset and slopes each, and much noise."""
    slopes = 1 + random.normal(0, 0.7, (TASKS, 1, INPUTS))
    offsets = random.normal(size=(TASKS, 1))
    return (slopes * x).sum(axis=2) + offsets + random.normal(0, 2, x.shape[:2])


def opposite_slopes(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Linear tasks that have nothing in common, and little noise."""
    slopes = random.normal(0, 1, (TASKS, 1, INPUTS))
    return (slopes * x).sum(axis=2) + random.normal(0, 0.1, x.shape[:2])


def other_phases(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Waves of other phases and heights: tasks differ much, in a way that can be learnt."""
    phase, height = random.uniform(0, np.pi, (TASKS, 1)), random.uniform(0.5, 3, (TASKS, 1))
    return height * np.sin(2 * x[..., 0] + phase) + random.normal(0, 0.1, x.shape[:2])


def smooth(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One smooth function for all tasks, and an offset for each."""
    common = np.sin(2 * x[..., 0]) + x[..., 1] * x[..., 2]
    return common + random.normal(size=(TASKS, 1)) + random.normal(0, 0.5, x.shape[:2])


TABLES: dict[str, Callable[..., np.ndarray]] = {
    made.__name__.replace("_", " "): made
    for made in (noisy_offsets, noisy_slopes, opposite_slopes, other_phases, smooth)
}


@dataclasses.dataclass(frozen=True)
class NewTasks:
    """Measures, and prints a table for each set of tasks."""

    divisions: int = 5
    """of the tasks; each holds out others"""
    only: tuple[str, ...] = tuple(TABLES)
    """names of tables"""
    steps: int = 600
    """of training of a network"""


def measure(settings: NewTasks, make: Callable[..., np.ndarray]) -> str:
    random = np.random.default_rng(7)
    x = random.normal(size=(TASKS, ROWS, INPUTS))
    y, task = make(x, random), np.repeat(np.arange(TASKS), ROWS)
    data = ls.Table.from_arrays(x.reshape(-1, INPUTS), y.reshape(-1), task)
    question = NewTableTasks.of_table(
        data,
        np.arange(TASKS),
        shots=SHOTS,
        seeds=range(settings.divisions),
        queries=ROWS - SHOTS[-1],
        watched=(1, 2, 5, 10, 20, 50, 100),
    )
    constant = Recipe("constant", ls.Setting.BOUND, adapters=(Constant(0.0),))
    with tempfile.TemporaryDirectory() as folder:
        result = compare(
            [constant, *held_out.standard(question.family)],
            lambda key: ls.MLP(INPUTS, 1, width=40, depth=2, key=key),
            question,
            key=jr.key(0),
            budget=Budget(settings.steps, 25),
            out=Path(folder) / "run",
        )
    lines = []
    for outcome in result:
        errors = [f"{result.value(outcome, shots)[0]:.3f}" for shots in SHOTS]
        stopped = [f"{pair[0] / max(pair[1], 1):.0%}" for pair in outcome.stopped if pair]
        lines.append((outcome.name, *errors, " ".join(stopped)))
    best = [getattr(result.recommended(shots), "name", "") for shots in SHOTS]
    lines.append(("*recommended*", *best, ""))
    return grid(("recipe", *(f"{shots} rows" for shots in SHOTS), "stopped"), lines)


if __name__ == "__main__":
    chosen = tyro.cli(NewTasks)
    for name in chosen.only:
        began = time.process_time()
        print(f"## {name}\n\n{measure(chosen, TABLES[name])}\n", flush=True)
        print(f"{time.process_time() - began:.0f} s of processor time\n", flush=True)
