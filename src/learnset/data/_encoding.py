"""The encoding of a table's inputs as numbers: scaled, with gaps filled in and words as zeros and
ones."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..core import InputError
from ._table import Table

MOST_WORDS = 64  # of one column: the most frequent ones
FARTHEST = 1e9  # spreads from the middle, so that products are finite in single precision


@dataclasses.dataclass(frozen=True)
class Encoding:
    """An encoding of inputs as numbers of similar size, by the statistics of some rows alone.

    - A column of numbers is centred and divided by its standard deviation. A column with only two
      values is divided by their distance: otherwise a rare value would become huge (the same reason
      as in Gelman 2008, *Scaling regression inputs by dividing by two standard deviations*). An
      empty cell becomes the mean, and if those rows have any, a further column indicates them. A
      column with one value becomes zeros. Rows far from those are limited to 1e9 spreads.
    - A column of words becomes a column of zeros and ones for each of its most frequent words, at
      most 64. Other words and empty cells are zero in all of these columns.

    >>> import numpy as np, learnset as ls
    >>> x, task = np.array([[1.0], [3.0], [np.nan], [9.0]]), np.array([0, 0, 1, 1])
    >>> table = ls.Table.from_arrays(x, np.arange(4), task)
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
        # A column at a time: memory is that of one.
        columns = range(table.x.shape[1])
        numbers = tuple(i for i in columns if i not in table.words)
        middle, spread = np.zeros(len(columns)), np.zeros(len(columns))
        gaps, words = [], []
        for i in columns:
            x = np.asarray(table.x[rows, i], np.float64)
            middle[i], spread[i], filled = _statistics(x)
            if i in table.words:
                words += [(i, word) for word in _frequent(x)]
            elif not filled:
                gaps.append(i)
        names = [table.columns[i] for i in numbers] + [
            f"{table.columns[i]} is missing" for i in gaps
        ]
        names += [f"{table.columns[i]} = {table.words[i][word]}" for i, word in words]
        return cls(middle, spread, numbers, tuple(gaps), tuple(words), tuple(names))

    def __call__(
        self, x: Shaped[np.ndarray, "rows columns"], dtype: Any = np.float64
    ) -> Float[np.ndarray, "rows inputs"]:
        """The encoded inputs of any rows of the same table. They are always finite.

        **Raises:** `InputError` for another number of columns.
        """
        if x.shape[1] != len(self.middle):
            raise InputError(
                f"The rows have {x.shape[1]} input columns, but {len(self.middle)} were learnt."
            )
        encoded = np.zeros((len(x), len(self.names)), dtype)
        for place, i in enumerate(self.numbers):
            if self.spread[i] > 0:
                column = np.asarray(x[:, i], np.float64)
                with np.errstate(over="ignore"):
                    scaled = (column - self.middle[i]) / self.spread[i]
                scaled[~np.isfinite(column)] = 0
                encoded[:, place] = scaled.clip(-FARTHEST, FARTHEST)
        first = len(self.numbers)
        for place, i in enumerate(self.gaps, first):
            encoded[:, place] = np.isnan(x[:, i])
        for place, (i, word) in enumerate(self.words, first + len(self.gaps)):
            encoded[:, place] = x[:, i] == word
        return encoded

    def to_dict(self) -> dict[str, Any]:
        """The encoding as lists, texts and numbers, for JSON; `from_dict` makes it again."""
        lists = {"middle": self.middle.tolist(), "spread": self.spread.tolist()}
        return dataclasses.asdict(self) | lists

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Encoding":
        """The encoding of a dictionary that `to_dict` made, read from JSON or not."""
        return cls(
            np.asarray(record["middle"], np.float64),
            np.asarray(record["spread"], np.float64),
            tuple(record["numbers"]),
            tuple(record["gaps"]),
            tuple((column, word) for column, word in record["words"]),
            tuple(record["names"]),
        )


def _statistics(x: Float[np.ndarray, "rows"]) -> tuple[float, float, bool]:
    """The middle and the spread of a column, and whether it has no empty cell."""
    filled = np.isfinite(x)
    middle, spread = (float(one[0]) for one in centre_and_spread(x[:, None]))
    known = x[filled]
    if len(known):
        low, high = known.min(), known.max()
        with np.errstate(over="ignore", invalid="ignore"):
            distance = high - low
        if np.isfinite(distance) and distance > 0 and ((known == low) | (known == high)).all():
            spread = float(distance)
    return middle, spread, bool(filled.all())


def centre_and_spread(
    x: Float[np.ndarray, "rows columns"],
) -> tuple[Float[np.ndarray, "columns"], Float[np.ndarray, "columns"]]:
    """The mean and the standard deviation of the finite cells of each column, in double precision,
    whatever their size: a constant has its value and zero, and huge numbers do not overflow.

    >>> centre_and_spread(np.array([[17326247123456789.0, 1e200], [17326247123456789.0, 3e200]]))
    (array([1.73262471e+016, 2.00000000e+200]), array([0.e+000, 1.e+200]))
    """
    filled = np.isfinite(x)
    count = np.maximum(filled.sum(axis=0), 1)
    first = np.where(filled.any(axis=0), np.take_along_axis(x, filled.argmax(0)[None], 0)[0], 0.0)
    # In halves, so that the distance of two numbers is a number.
    away = np.where(filled, x / 2 - first / 2, 0.0)
    unit = np.abs(away).max(axis=0, initial=0.0)
    away = away / np.where(unit > 0, unit, 1.0)
    mean = away.sum(axis=0) / count
    deviation = np.sqrt((np.where(filled, away - mean, 0.0) ** 2).sum(axis=0) / count)
    return first + 2 * (mean * unit), 2 * (deviation * unit)


def _frequent(column: Float[np.ndarray, "rows"]) -> list[int]:
    """The words that occur, in order; only the most frequent ones if there are too many."""
    words, count = np.unique(column[np.isfinite(column)].astype(int), return_counts=True)
    return sorted(words[np.argsort(-count, kind="stable")[:MOST_WORDS]].tolist())
