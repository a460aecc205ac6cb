"""Examples with classes on the host, from which episodes are drawn."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TYPE_CHECKING

import numpy as np
from jaxtyping import Int, Shaped

from ..core import InputError
from ._averaged import area_averaged
from ._examples import labels_from, rows_from
from ._packed import Packed
from ._ranges import Ranges

if TYPE_CHECKING:
    Held = np.ndarray  # for type checkers a `Packed` is the array that it stands for
else:
    Held = np.ndarray | Packed


class Splits(NamedTuple):
    """Three disjoint sets of classes: to train on, to choose settings on, and to score on."""

    train: "Labelled"
    validation: "Labelled"
    test: "Labelled"


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """Examples with classes on the host, sorted by class. Class `i` is
    `x[starts[i] : starts[i] + sizes[i]]`.

    `names` and `groups` have an entry for each class; a group is a set of related classes (an
    alphabet, a script), or "". Each line of `skipped` says what was left out on reading, and why.
    `ranges` has the values that were black and white in images with more than a byte for a pixel:
    other images are compared with these only if they are read by the same `ranges`.

    >>> import numpy as np, learnset as ls
    >>> data = ls.data.Labelled.from_arrays(np.zeros((5, 2)), ["b", "a", "b", "a", "b"])
    >>> data.names, data.sizes.tolist(), len(data)
    (('a', 'b'), [2, 3], 2)
    """

    # uint8 images, "points height width channels", or float32 features
    x: Shaped[Held, "points *in"]
    starts: Int[np.ndarray, "classes"]  # first row of each class
    sizes: Int[np.ndarray, "classes"]  # rows of each class
    names: tuple[str, ...]
    groups: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    ranges: Ranges = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        lengths = {len(self.starts), len(self.sizes), len(self.names), len(self.groups)}
        if lengths == {0}:
            raise InputError(
                f"No classes are left. {' '.join(self.skipped) or 'There must be at least one.'}"
            )
        ends = np.cumsum(self.sizes)
        if len(lengths) > 1 or (self.sizes < 1).any() or (self.starts != ends - self.sizes).any():
            raise InputError(
                "`starts` and `sizes` do not describe consecutive classes; use `from_arrays`."
            )
        if ends[-1] != len(self.x):
            raise InputError(
                f"The classes have {ends[-1]} rows in total, but `x` has {len(self.x)}."
            )

    @classmethod
    def from_arrays(
        cls,
        x: np.ndarray,
        y: np.ndarray | Sequence,
        names: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        min_size: int = 1,
        ranges: Ranges | None = None,
    ) -> "Labelled":
        """Classes from arrays: rows are sorted by class, and rows of one class keep their order.

        **Arguments:**

        - `x`: images, "points height width" or "points height width channels", which become uint8
          (floats from -10 to 10 stay as they are); anything else becomes float32.
        - `y`: the class of each row: whole numbers or strings.
        - `names`, `groups`: of the classes, in the order of their sorted labels. Default: the
          labels, and "".
        - `min_size`: classes with fewer rows are left out, and `skipped` says so.
        - `ranges`: black and white of images with more than a byte for a pixel, as `ranges` of
          other examples. Default: the smallest usual depth that holds them, or their extremes.

        **Raises:** `InputError` for no rows, lengths that differ, NaN or infinite features, images
        with channels first, and labels that are floats.
        """
        (rows, notes, used), labels = rows_from(x, ranges), labels_from(y)
        if len(rows) != len(labels):
            raise InputError(
                f"`x` has {len(rows)} rows and `y` has {len(labels)}; each row needs one label."
            )
        if len(rows) == 0:
            raise InputError("`x` and `y` have no rows; there must be at least one example.")
        classes, class_of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        names = [str(label) for label in classes] if names is None else names
        groups = [""] * len(classes) if groups is None else groups
        for field, given in (("names", names), ("groups", groups)):
            if len(given) != len(classes):
                raise InputError(
                    f"`{field}` has {len(given)} entries, but `y` has {len(classes)} classes. Give"
                    " one entry for each class."
                )
        order = np.argsort(class_of, kind="stable")
        starts = np.cumsum(sizes) - sizes
        names, groups = (tuple(map(str, entries)) for entries in (names, groups))
        return cls(rows[order], starts, sizes, names, groups, notes, used).of_size(min_size)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        groups = f" in {len(set(self.groups))} groups" if any(self.groups) else ""
        shape = "×".join(str(size) for size in self.x.shape[1:])
        examples = f"{len(self.x)} examples of {shape} {self.x.dtype}"
        return f"Labelled({len(self)} classes{groups}, {examples})"

    @property
    def labels(self) -> Int[np.ndarray, "points"]:
        """The class of each row, as a number."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def subset(self, classes: Sequence[int] | Int[np.ndarray, "some"]) -> "Labelled":
        """The classes with these numbers, in this order.

        **Raises:** `InputError` for no numbers, a repeated number, or a number that no class has.

        >>> import numpy as np, learnset as ls
        >>> data = ls.data.Labelled.from_arrays(np.zeros((4, 2)), ["a", "b", "b", "c"])
        >>> data.subset([2, 1]).names
        ('c', 'b')
        """
        chosen = np.asarray(classes, int).reshape(-1)
        if len(chosen) == 0:
            raise InputError("No classes were chosen; a subset needs at least one.")
        if chosen.min() < 0 or chosen.max() >= len(self):
            number = chosen.min() if chosen.min() < 0 else chosen.max()
            raise InputError(
                f"Class {number} was chosen, but there are {len(self)} classes, numbered from 0."
            )
        if len(np.unique(chosen)) < len(chosen):
            raise InputError("A class was chosen twice; each can be in a subset only once.")
        rows = np.concatenate([int(self.starts[i]) + np.arange(int(self.sizes[i])) for i in chosen])
        sizes = self.sizes[chosen]
        names, groups = (tuple(entries[i] for i in chosen) for entries in (self.names, self.groups))
        return dataclasses.replace(
            self,
            x=self.x[rows],
            starts=np.cumsum(sizes) - sizes,
            sizes=sizes,
            names=names,
            groups=groups,
        )

    def of_groups(self, groups: Sequence[str]) -> "Labelled":
        """The classes of these groups, in their present order."""
        missing = set(groups) - set(self.groups)
        if missing:
            raise InputError(
                f"No class belongs to the group {sorted(missing)[0]!r}. The groups are:"
                f" {some(set(self.groups))}."
            )
        return self.subset([i for i, group in enumerate(self.groups) if group in set(groups)])

    def of_size(self, min_size: int) -> "Labelled":
        """The classes with at least `min_size` examples; `skipped` gains a line about the
        others."""
        small = np.flatnonzero(self.sizes < min_size)
        if len(small) == 0:
            return self
        examples = "example" if min_size == 1 else "examples"
        listed = some(f"{self.names[i]} ({self.sizes[i]})" for i in small)
        line = f"{len(small)} classes with fewer than {min_size} {examples}: {listed}."
        if len(small) == len(self):
            raise InputError(
                f"No classes are left. {line} Lower `min_size`, or give more examples."
            )
        kept = self.subset(np.flatnonzero(self.sizes >= min_size))
        return dataclasses.replace(kept, skipped=(*self.skipped, line))

    def split(
        self,
        parts: tuple[float, float, float] | tuple[int, int, int],
        *,
        by_group: bool = False,
        seed: int = 0,
    ) -> Splits:
        """A random division of the classes into three: to train on, to validate on, and to test on.

        **Arguments:**

        - `parts`: three whole numbers of classes (of groups with `by_group`; the rest is left out),
          or three fractions of the classes, which may sum to less than one.
        - `by_group`: keep whole groups together. Fractions are then met as closely as the sizes of
          the groups allow.
        - `seed`: the same seed gives the same classes.

        **Raises:** `InputError` if a part would be empty, or the parts exceed what there is.

        >>> import numpy as np, learnset as ls
        >>> data = ls.data.Labelled.from_arrays(np.zeros((20, 2)), np.arange(20))
        >>> [len(part) for part in data.split((0.5, 0.2, 0.3))]
        [10, 4, 6]
        """
        kinds = sorted(set(self.groups)) if by_group else list(range(len(self)))
        counts = all(isinstance(part, (int, np.integer)) for part in parts)
        _check_parts(parts, len(kinds), counts, "groups" if by_group else "classes")
        # The legacy generator promises never to change, so that a seed always names the same split.
        order = [kinds[i] for i in np.random.RandomState(seed).permutation(len(kinds))]
        if counts or not by_group:
            number = parts if counts else _counts(parts, len(kinds))
            bounds = np.cumsum([0, *number])
            shares = [
                set(order[start:stop]) for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
            ]
        else:
            size = {kind: self.groups.count(kind) for kind in kinds}
            shares = _whole_groups(order, size, [part * len(self) for part in parts])
        member = self.groups if by_group else range(len(self))
        return Splits(
            *(
                self.subset([i for i, kind in enumerate(member) if kind in share])
                for share in shares
            )
        )

    def halves(self, *, seed: int = 0) -> "tuple[Labelled, Labelled]":
        """A random division of the examples of each class into two; the second half has the odd
        one.

        **Raises:** `InputError` for a class of one example.

        >>> import numpy as np, learnset as ls
        >>> data = ls.data.Labelled.from_arrays(np.zeros((5, 2)), [0, 0, 1, 1, 1])
        >>> [half.sizes.tolist() for half in data.halves()]
        [[1, 1], [1, 2]]
        """
        if self.sizes.min() < 2:
            raise InputError("A class has one example, which two halves cannot share.")
        random = np.random.RandomState(seed)
        orders = [
            start + random.permutation(size)
            for start, size in zip(self.starts, self.sizes, strict=True)
        ]
        first = [np.sort(order[: len(order) // 2]) for order in orders]
        second = [np.sort(order[len(order) // 2 :]) for order in orders]
        return self._rows(first), self._rows(second)

    def _rows(self, rows: Sequence[Int[np.ndarray, "some"]]) -> "Labelled":
        """The same classes with these rows of each."""
        sizes = np.array([len(each) for each in rows])
        starts = np.cumsum(sizes) - sizes
        return dataclasses.replace(self, x=self.x[np.concatenate(rows)], starts=starts, sizes=sizes)

    def resized(self, size: int | tuple[int, int]) -> "Labelled":
        """The same images at another (height, width). Each new pixel is the mean over the area that
        it covers, or lies between two where images grow.

        >>> import numpy as np, learnset as ls
        >>> images = ls.data.Labelled.from_arrays(np.zeros((3, 105, 105), np.uint8), [0, 1, 1])
        >>> images.resized(28).x.shape
        (3, 28, 28, 1)
        """
        if self.x.dtype != np.uint8 or self.x.ndim != 4:
            raise InputError("`resized` needs uint8 images, but these are features.")
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1:
            raise InputError(f"`size={size}`, but an image has at least one pixel.")
        return dataclasses.replace(self, x=area_averaged(np.asarray(self.x), height, width))


def _check_parts(parts: Sequence[float], available: int, counts: bool, kind: str) -> None:
    if len(parts) != 3:
        raise InputError(
            f"`parts={tuple(parts)}`, but there must be three: train, validation and test."
        )
    if any(not part > 0 for part in parts):
        raise InputError(f"`parts={tuple(parts)}`, but each part must be above zero.")
    if counts and sum(parts) > available:
        raise InputError(
            f"`parts={tuple(parts)}` asks for {sum(parts)} {kind}, but there are {available}."
        )
    if not counts and sum(parts) > 1 + 1e-9:
        raise InputError(f"`parts={tuple(parts)}`, but fractions may sum to at most 1.")
    if available < 3:
        raise InputError(f"There are {available} {kind}; three disjoint parts need at least 3.")


def _counts(fractions: Sequence[float], total: int) -> list[int]:
    """Whole numbers near the fractions of `total`, each at least one."""
    bounds = np.rint(np.cumsum([0, *fractions]) * total).astype(int)
    counts = np.diff(bounds)
    if (counts < 1).any():
        raise InputError(
            f"`parts={tuple(fractions)}` of {total} classes leaves a part empty; enlarge it."
        )
    return counts.tolist()


def _whole_groups(order: list, size: dict, targets: list[float]) -> list[set]:
    """The groups of each part. In the given order, each group goes to the part that is furthest
    from its target, among those with room for at least half of the group."""
    shares: list[set] = [set() for _ in targets]
    total = sum(size.values())
    left = list(targets)
    surplus = total - sum(targets)  # left out, where fractions sum to less than one
    for i, group in enumerate(order):
        empty = [part for part, share in enumerate(shares) if not share]
        roomy = [part for part in range(len(left)) if 2 * left[part] >= size[group]]
        if len(order) - i <= len(empty):
            roomy = empty  # the last groups go to the parts that have none yet
        elif surplus > max(size[group], 0.5) and surplus > max(left):
            surplus -= size[group]
            continue
        part = max(roomy, key=lambda p: left[p] / targets[p]) if roomy else int(np.argmax(left))
        shares[part].add(group)
        left[part] -= size[group]
    return shares


def left_out(skipped: Sequence[str]) -> list[str]:
    """The lines of `skipped`, as they are shown."""
    return [f"Left out or changed: {line}" for line in skipped]


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few names in order, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
