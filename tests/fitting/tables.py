"""Tables whose truth is known."""

import numpy as np
import polars as pl

import learnset as ls

EFFECT = {"blue": 0.0, "green": 10.0, "red": -10.0}


def shops(rows: int, shops: list[str], colours: list[str], seed: int = 0) -> pl.DataFrame:
    """Sales are 100 for each later shop, an effect of the colour, and a number."""
    random = np.random.default_rng(seed)
    shop, colour = random.choice(shops, rows), random.choice(colours, rows)
    x = random.normal(size=rows)
    level = np.array([100.0 * "abcdefgh".index(s) for s in shop])
    sales = level + np.array([EFFECT[c] for c in colour]) + x
    return pl.DataFrame({"shop": shop, "colour": colour, "x": x, "sales": sales})


def noisy(
    tasks: int, rows: int, *, spread: float = 2.0, seed: int = 0, first: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets and tasks of a mixed model with noise of variance one; the effects of tasks
    are the same for all seeds."""
    random = np.random.default_rng(seed)
    effect = spread * np.random.default_rng(99).normal(size=first + tasks)[first:]
    number = random.permutation(np.arange(tasks * rows) % tasks)
    x = random.normal(size=(len(number), 2))
    y = effect[number] + x @ [1.0, -0.5] + random.normal(size=len(number))
    return x, y, np.array([f"t{first + i:02}" for i in number])


def frame(x: np.ndarray, task: np.ndarray, y: np.ndarray | None = None) -> pl.DataFrame:
    columns = {f"x{i + 1}": column for i, column in enumerate(x.T)} | {"task": task}
    return pl.DataFrame(columns if y is None else columns | {"target": y})


def fitted(recipe: str = "ridge with offsets", tasks: int = 6, rows: int = 40, **options):
    """A model of noisy tasks."""
    table = ls.Table.from_arrays(*noisy(tasks, rows))
    return ls.fit(table, recipe, **{"divisions": 2} | options)
