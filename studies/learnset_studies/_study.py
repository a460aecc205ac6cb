"""What all studies have in common: ours beside the published, and the files that say so."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from learnset.core import interval

# No target is further than 5 from zero: whoever is off by 10 on the average has blown up, and knows less than nothing.
DIVERGED = 100.0


def row(
    errors: np.ndarray, published: float | None = None, source: str = "", **words: Any
) -> dict[str, Any]:
    """One row of a study's `result.json`.

    `agrees` is whether ours and the published value differ by less than the drawing of tasks explains: 1.96 standard
    errors over our tasks, and over one of our seeds' for the published value, which was measured with as many. That is
    stricter than `ci95`, which is Student's over seeds.

    **Arguments:**

    - `errors`: "seeds tasks"; those above `DIVERGED` are counted, and left out of the mean.
    - `words`: what the row is about.
    """
    stayed = errors < DIVERGED
    errors = np.where(stayed, errors, np.nan)
    mean, half = interval(errors)
    words |= {} if stayed.all() else {"diverged_tasks": int((~stayed).sum())}
    found = words | {"error": mean, "ci95": half, "num_tasks": int(errors.size)}
    found["by_seed"] = [round(float(seed), 4) for seed in np.nanmean(errors, axis=1)]
    if published is None:
        return found
    ours, theirs = interval(errors.reshape(1, -1))[1], interval(errors[:1])[1]
    return found | {
        "published": published,
        "source": source,
        "agrees": abs(mean - published) <= math.hypot(ours, theirs),
    }


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table, the first row being its head.

    >>> print(markdown_table([["a", "b"], ["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    head, *body = ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])
