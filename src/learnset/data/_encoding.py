"""The encoding of a table's inputs as numbers: scaled, with gaps filled in and words as zeros and
ones."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int, Shaped

from ._table import Table

MOST_WORDS = 64  # of one column: the most frequent ones


@dataclasses.dataclass(frozen=True)
class Encoding:
    """An encoding of inputs as numbers of similar size, by the statistics of some rows alone.

    - A column of numbers is centred and divided by its standard deviation. A column with only two
      values is divided by their distance: otherwise a rare value would become huge (the same reason
      as in Gelman 2008, *Scaling regression inputs by dividing by two standard deviations*). An
      empty cell becomes the mean, and if those rows have any, a further column indicates them.
    - A column of words becomes a column of zeros and ones for each of its most frequent words, at
      most 64. Other words and empty cells are zero in all of these columns.

    >>> import numpy as np, learnset as ls
    >>> x, task = np.array([[1.0], [3.0], [np.nan], [9.0]]), np.array([0, 0, 1, 1])
    >>> table = ls.Table.from_arrays(x, np.zeros(4), task)
    >>> encoding = ls.data.Encoding.fit(table, np.array([0, 1, 2]))
    >>> encoding.names, encoding(table.x).tolist()
    (('x1', 'x1 is missing'), [[-0.5, 0.0], [0.5, 0.0], [0.0, 1.0], [3.5, 0.0]])
    """

    middle: Float[np.ndarray, "columns"]
    spread: Float[np.ndarray, "columns"]
    numbers: tuple[int, ...]  # columns of numbers
    gaps: tuple[int, ...]  # the columns of numbers with empty cells
    words: tuple[tuple[int, int], ...]  # column and word of each column of zeros and ones
    names: tuple[str, ...]

    @classmethod
    def fit(cls, table: Table, rows: Int[np.ndarray, "some"]) -> "Encoding":
        """The encoding learnt from these rows of a table and from no others."""
        x = table.x[rows].astype(np.float64)
        numbers = tuple(i for i in range(x.shape[1]) if i not in table.words)
        filled = np.isfinite(x)
        count = np.maximum(filled.sum(axis=0), 1)
        middle = np.where(filled, x, 0).sum(axis=0) / count
        deviation = np.sqrt((np.where(filled, x - middle, 0) ** 2).sum(axis=0) / count)
        low = np.where(filled, x, np.inf).min(axis=0, initial=np.inf)
        high = np.where(filled, x, -np.inf).max(axis=0, initial=-np.inf)
        two = (filled & (x != low) & (x != high)).sum(axis=0) == 0
        spread = np.where(two & np.isfinite(high - low), high - low, deviation)
        spread = np.where(spread > 1e-12 * np.maximum(1, np.abs(middle)), spread, 1.0)
        gaps = tuple(i for i in numbers if not filled[:, i].all())
        words = tuple((i, word) for i in sorted(table.words) for word in _frequent(x[:, i]))
        names = [table.columns[i] for i in numbers] + [
            f"{table.columns[i]} is missing" for i in gaps
        ]
        names += [f"{table.columns[i]} = {table.words[i][word]}" for i, word in words]
        return cls(middle, spread, numbers, gaps, words, tuple(names))

    def __call__(self, x: Shaped[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows inputs"]:
        """The encoded inputs of any rows of the same table. They are always finite."""
        x = x.astype(np.float64)
        scaled = (x - self.middle) / self.spread
        scaled = np.where(np.isfinite(x), scaled, 0)[:, list(self.numbers)]
        missing = np.isnan(x[:, list(self.gaps)]).astype(np.float64)
        ones = [(x[:, i] == word).astype(np.float64) for i, word in self.words]
        return np.concatenate([scaled, missing, *(column[:, None] for column in ones)], axis=1)


def _frequent(column: Float[np.ndarray, "rows"]) -> list[int]:
    """The words that occur, in order; only the most frequent ones if there are too many."""
    words, count = np.unique(column[np.isfinite(column)].astype(int), return_counts=True)
    return sorted(words[np.argsort(-count, kind="stable")[:MOST_WORDS]].tolist())
