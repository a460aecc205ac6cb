"""Simulated tables of tasks that are related in different ways, from noisy tasks that differ in an
offset alone to tasks that have nothing in common."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

TASKS, ROWS, INPUTS = 40, 40, 3

X = Float[np.ndarray, "tasks rows in"]
Y = Float[np.ndarray, "tasks rows"]


def noisy_offsets(x: X, random: np.random.Generator) -> Y:
    """Tasks with an offset each, and noise that is larger than all else."""
    return x[..., 0] + random.normal(size=(TASKS, 1)) + random.normal(0, 2.5, x.shape[:2])


def noisy_slopes(x: X, random: np.random.Generator) -> Y:
    """Tasks with an offset and slopes each, and much noise."""
    slopes = 1 + random.normal(0, 0.7, (TASKS, 1, INPUTS))
    offsets = random.normal(size=(TASKS, 1))
    return (slopes * x).sum(axis=2) + offsets + random.normal(0, 2, x.shape[:2])


def opposite_slopes(x: X, random: np.random.Generator) -> Y:
    """Linear tasks that have nothing in common, and little noise."""
    slopes = random.normal(0, 1, (TASKS, 1, INPUTS))
    return (slopes * x).sum(axis=2) + random.normal(0, 0.1, x.shape[:2])


def other_phases(x: X, random: np.random.Generator) -> Y:
    """Waves of other phases and heights: tasks differ much, in a way that can be learnt."""
    phase, height = random.uniform(0, np.pi, (TASKS, 1)), random.uniform(0.5, 3, (TASKS, 1))
    return height * np.sin(2 * x[..., 0] + phase) + random.normal(0, 0.1, x.shape[:2])


def smooth(x: X, random: np.random.Generator) -> Y:
    """One smooth function for all tasks, and an offset for each."""
    common = np.sin(2 * x[..., 0]) + x[..., 1] * x[..., 2]
    return common + random.normal(size=(TASKS, 1)) + random.normal(0, 0.5, x.shape[:2])


TABLES: dict[str, Callable[[X, np.random.Generator], Y]] = {
    made.__name__.replace("_", " "): made
    for made in (noisy_offsets, noisy_slopes, opposite_slopes, other_phases, smooth)
}


def arrays(name: str, *, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets and tasks of a table, as `Table.from_arrays` takes them.

    >>> [values.shape for values in arrays("smooth")]
    [(1600, 3), (1600,), (1600,)]
    """
    random = np.random.default_rng(seed)
    x = random.normal(size=(TASKS, ROWS, INPUTS))
    y = TABLES[name](x, random)
    return x.reshape(-1, INPUTS), y.reshape(-1), np.repeat(np.arange(TASKS), ROWS)
