"""Tasks of a table for a model that is kept: all rows are learnt from."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..data import Encoding, rows_to_pad, Table
from ._rows import TableTasks
from ._table_arrays import padded_rows, points_of, scaled_targets, scales

FEWEST = 5  # rows of a task that gives some to stop by


class AllRows(NamedTuple):
    """The tasks of a table with all their rows, and the scaling of inputs and targets in float64:
    `std * output + mean` is in the units of a task."""

    tasks: TableTasks
    encoding: Encoding
    mean: Float[np.ndarray, "tasks"]
    std: Float[np.ndarray, "tasks"]


def all_rows(
    table: Table, *, validation: float = 0.0, shots: int = 8, queries: int = 8, seed: int = 0
) -> AllRows:
    """The tasks of a table with all labelled rows to learn from.

    **Arguments:**

    - `validation`: the part of the rows that is kept to stop training by; tasks with fewer than
      five rows give none.
    - `shots`, `queries`: as for `by_rows`. `seed`: of the choice of these rows.

    >>> import numpy as np, learnset as ls
    >>> rows, task = np.arange(20.0), np.repeat(["a", "b"], 10)
    >>> table = ls.Table.from_arrays(rows[:, None], 2 * rows, task)
    >>> ls.tasks.all_rows(table).tasks.points.x.shape
    (2, 10, 1)
    """
    random = np.random.default_rng(seed)
    rows = rows_to_pad(table)
    aside = random.random(len(table.x)) < validation  # the same rows where targets are tasks
    held = [r[aside[r]] if len(r) >= FEWEST and not aside[r].all() else r[:0] for r in rows]
    if validation and not any(map(len, held)):
        held = [r[-1:] if len(r) > 1 else r for r in rows]
    learn = [np.setdiff1d(r, h) if len(h) < len(r) else r for r, h in zip(rows, held, strict=True)]
    encoding = Encoding.fit(table, np.unique(np.concatenate(rows)))
    mean, std = scales(table, rows)
    of_rows = (mean, std) if table.task is None else (mean[:1, None], std[:1, None])
    y = scaled_targets(table, *of_rows)
    target = range(len(table)) if table.task is None else [0] * len(table)
    x = encoding(table.x, jnp.result_type(float))
    held = [np.repeat(h, 2) for h in held]  # to choose by, and (not needed) to score on
    if not any(map(len, held)):
        held = [np.full(2, -1)] * len(rows)
    points, held_out = (
        points_of(x, y, list(zip(groups, target, strict=True))) for groups in (learn, held)
    )
    smallest = min(map(len, learn))
    places = [jnp.asarray(padded_rows(group)) for group in (learn, held)]
    common: dict[str, Any] = {
        "mean": mean,
        "std": std,
        "rows": tuple(places),
        "names": table.names,
        "classes": table.classes,
        "inputs": encoding.names,
        "counts": table.counts,
    }
    shots, queries = (min(n, max(1, smallest // 2)) for n in (shots, queries))
    return AllRows(TableTasks(points, held_out, shots, queries, **common), encoding, mean, std)
