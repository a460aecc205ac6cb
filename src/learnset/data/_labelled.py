"""Examples with classes, on the host: what episodes are drawn from."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from ..core import InputError


class Splits(NamedTuple):
    """Three sets of classes without overlap: to train on, to choose settings on, to score on."""

    train: "Labelled"
    validation: "Labelled"
    test: "Labelled"


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """Examples with classes, on the host, sorted by class: class `i` is `x[starts[i] : starts[i] + sizes[i]]`.

    `names` and `groups` are those of classes; a group is what classes belong to together (an alphabet, a script), or
    "". `skipped` says in one line each what was left out on the way here, and why.

    >>> import numpy as np, learnset as ls
    >>> data = ls.data.Labelled.from_arrays(np.zeros((5, 2)), ["b", "a", "b", "a", "b"])
    >>> data.names, data.sizes.tolist(), len(data)
    (('a', 'b'), [2, 3], 2)
    """

    x: Shaped[
        np.ndarray, "points *in"
    ]  # uint8 images, "points height width channels", or float32 features
    starts: Int[np.ndarray, "classes"]  # first row of each class
    sizes: Int[np.ndarray, "classes"]  # rows of each class
    names: tuple[str, ...]
    groups: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __post_init__(self):
        lengths = {len(self.starts), len(self.sizes), len(self.names), len(self.groups)}
        if lengths == {0}:
            raise InputError(
                f"No class is left. {' '.join(self.skipped) or 'There must be at least one.'}"
            )
        ends = np.cumsum(self.sizes)
        if len(lengths) > 1 or (self.sizes < 1).any() or (self.starts != ends - self.sizes).any():
            raise InputError(
                "`starts` and `sizes` do not describe classes one after another; use `from_arrays`."
            )
        if ends[-1] != len(self.x):
            raise InputError(
                f"The classes have {ends[-1]} rows together, but `x` has {len(self.x)}."
            )

    @classmethod
    def from_arrays(
        cls,
        x: np.ndarray,
        y: np.ndarray | Sequence,
        names: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        min_size: int = 1,
    ) -> "Labelled":
        """Sorts rows by class; rows of one class stay in their order.

        **Arguments:**

        - `x`: uint8 images, "points height width" or "points height width channels"; anything else becomes float32.
        - `y`: the class of each row: whole numbers or strings.
        - `names`, `groups`: of the classes, in the order of their sorted labels. By default the labels, and "".
        - `min_size`: classes with fewer rows are left out, and `skipped` says so.

        **Raises:** `InputError` for no rows, lengths that differ, NaN or infinite features, labels that are floats.
        """
        rows, labels = _rows(x), _labels(y)
        if len(rows) != len(labels):
            raise InputError(
                f"`x` has {len(rows)} rows and `y` has {len(labels)}; each row needs one label."
            )
        if len(rows) == 0:
            raise InputError("`x` and `y` have no rows; there must be at least one example.")
        found, class_of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        names = [str(label) for label in found] if names is None else names
        groups = [""] * len(found) if groups is None else groups
        for what, given in (("names", names), ("groups", groups)):
            if len(given) != len(found):
                raise InputError(
                    f"`{what}` has {len(given)} entries, but `y` has {len(found)} classes: one for each."
                )
        order = np.argsort(class_of, kind="stable")
        starts = np.cumsum(sizes) - sizes
        names, groups = (tuple(str(word) for word in words) for words in (names, groups))
        return cls(rows[order], starts, sizes, names, groups).of_size(min_size)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        groups = f" in {len(set(self.groups))} groups" if any(self.groups) else ""
        shape = "×".join(str(size) for size in self.x.shape[1:])
        return f"Labelled({len(self)} classes{groups}, {len(self.x)} examples of {shape} {self.x.dtype})"

    @property
    def labels(self) -> Int[np.ndarray, "points"]:
        """The number of each row's class."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def subset(self, classes: Sequence[int] | Int[np.ndarray, "some"]) -> "Labelled":
        """The classes of these numbers, in this order.

        **Raises:** `InputError` for no number, a number twice, or one that no class has.

        >>> import numpy as np, learnset as ls
        >>> ls.data.Labelled.from_arrays(np.zeros((4, 2)), ["a", "b", "b", "c"]).subset([2, 1]).names
        ('c', 'b')
        """
        chosen = np.asarray(classes, int).reshape(-1)
        if len(chosen) == 0:
            raise InputError("No class was chosen; a subset needs at least one.")
        if chosen.min() < 0 or chosen.max() >= len(self):
            raise InputError(
                f"Class {chosen.min() if chosen.min() < 0 else chosen.max()} was chosen of {len(self)}."
            )
        if len(np.unique(chosen)) < len(chosen):
            raise InputError("A class was chosen twice; each can be in a subset once.")
        rows = np.concatenate([int(self.starts[i]) + np.arange(int(self.sizes[i])) for i in chosen])
        sizes = self.sizes[chosen]
        names, groups = (tuple(words[i] for i in chosen) for words in (self.names, self.groups))
        return Labelled(self.x[rows], np.cumsum(sizes) - sizes, sizes, names, groups, self.skipped)

    def of_groups(self, groups: Sequence[str]) -> "Labelled":
        """The classes of these groups, in the order that they have here."""
        missing = set(groups) - set(self.groups)
        if missing:
            raise InputError(
                f"No class is of the group {sorted(missing)[0]!r}; there are: {some(set(self.groups))}."
            )
        return self.subset([i for i, group in enumerate(self.groups) if group in set(groups)])

    def of_size(self, min_size: int) -> "Labelled":
        """The classes with at least `min_size` examples; `skipped` counts the others."""
        small = np.flatnonzero(self.sizes < min_size)
        if len(small) == 0:
            return self
        examples = "example" if min_size == 1 else "examples"
        which = some(f"{self.names[i]} ({self.sizes[i]})" for i in small)
        line = f"{len(small)} classes with fewer than {min_size} {examples}: {which}."
        if len(small) == len(self):
            raise InputError(f"No class is left. {line} Lower `min_size`, or give more examples.")
        kept = self.subset(np.flatnonzero(self.sizes >= min_size))
        return dataclasses.replace(kept, skipped=(*self.skipped, line))

    def split(
        self,
        parts: tuple[float, float, float] | tuple[int, int, int],
        *,
        by_group: bool = False,
        seed: int = 0,
    ) -> Splits:
        """Shares the classes out at random: to train on, to validate on, to test on. No class is in two of them.

        **Arguments:**

        - `parts`: three whole numbers of classes (of groups with `by_group`; what is over is left out), or three
            fractions of the classes, which may sum to less than one.
        - `by_group`: whole groups stay together. Fractions are met as nearly as the groups' sizes allow.
        - `seed`: the same seed gives the same classes.

        **Raises:** `InputError` where a part would be empty, or more is asked for than there is.

        >>> import numpy as np, learnset as ls
        >>> data = ls.data.Labelled.from_arrays(np.zeros((20, 2)), np.arange(20))
        >>> [len(part) for part in data.split((0.5, 0.2, 0.3))]
        [10, 4, 6]
        """
        kinds = sorted(set(self.groups)) if by_group else list(range(len(self)))
        counts = all(isinstance(part, (int, np.integer)) for part in parts)
        _check_parts(parts, len(kinds), counts, "groups" if by_group else "classes")
        # The legacy generator: its numbers are promised never to change, so a seed names the same split for ever.
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

    def resized(self, size: int | tuple[int, int]) -> "Labelled":
        """The same images at another (height, width): each new pixel is the mean over the area that it covers.

        >>> import numpy as np, learnset as ls
        >>> ls.data.Labelled.from_arrays(np.zeros((3, 105, 105), np.uint8), [0, 1, 1]).resized(28).x.shape
        (3, 28, 28, 1)
        """
        if self.x.dtype != np.uint8 or self.x.ndim != 4:
            raise InputError("`resized` is for uint8 images; these are features.")
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 1:
            raise InputError(f"`size={size}`, but an image has at least one pixel.")
        return dataclasses.replace(self, x=area_averaged(self.x, height, width))


def area_averaged(
    images: UInt8[np.ndarray, "points old_height old_width channels"], height: int, width: int
) -> UInt8[np.ndarray, "points height width channels"]:
    """Images at another size; each new pixel is the mean over the area that it covers, halves up."""
    if images.shape[1:3] == (height, width):
        return images
    down, across = _coverage(images.shape[1], height), _coverage(images.shape[2], width)
    result = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for start in range(
        0, len(images), 1000
    ):  # a part at a time, for the floats take four times the room
        part = images[start : start + 1000].transpose(0, 3, 2, 1).astype(np.float32)
        mean = _last_axis(_last_axis(part, down).swapaxes(2, 3), across)
        # Halves go up: a little more than one half, so that the last bit of a float decides nothing.
        result[start : start + 1000] = np.floor(mean + 0.501).transpose(0, 2, 3, 1)
    return result


def _last_axis(
    x: Float[np.ndarray, "... old"], coverage: Float[np.ndarray, "new old"]
) -> np.ndarray:
    # One product of matrices: many small ones take a hundred times as long where cores are busy.
    return (x.reshape(-1, x.shape[-1]) @ coverage.T).reshape(*x.shape[:-1], -1)


def _coverage(old: int, new: int) -> Float[np.ndarray, "new old"]:
    """Which part of each new pixel each old one covers, on a line. Rows sum to one."""
    edges = np.arange(new + 1) * (old / new)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(old)[None]
    overlap = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return (overlap * (new / old)).astype(np.float32)


def _rows(x: np.ndarray) -> np.ndarray:
    """Images as uint8 with channels; anything else as finite float32."""
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise InputError(
            f"`x` is of type {x.dtype}; it must be numbers: uint8 images or float features."
        )
    if x.ndim < 2:
        raise InputError(
            f"`x` has the shape {x.shape}; its first axis is the examples, and there must be a second one."
        )
    if x.dtype == np.uint8 and x.ndim >= 3:
        if x.ndim > 4:
            raise InputError(
                f"`x` has the shape {x.shape}; images are (points, height, width, channels)."
            )
        return x[..., None] if x.ndim == 3 else x
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    bad = len(x) - int(np.isfinite(x).reshape(len(x), -1).all(axis=1).sum()) if len(x) else 0
    if bad:
        raise InputError(
            f"`x` has {bad} rows with numbers that are NaN or infinite; fill them or leave them out."
        )
    return x


def _labels(y: np.ndarray | Sequence) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim != 1:
        raise InputError(
            f"`y` has the shape {y.shape}; it must be one label a row, of shape (points,)."
        )
    if y.dtype.kind == "f" and len(y):
        raise InputError(
            "`y` is of floats; labels are whole numbers or strings. For whole ones: `y.astype(int)`."
        )
    if y.dtype.kind not in "biuUf":
        raise InputError(f"`y` is of type {y.dtype}; labels are whole numbers or strings.")
    return y


def _check_parts(parts: Sequence[float], available: int, counts: bool, kind: str) -> None:
    if len(parts) != 3:
        raise InputError(
            f"`parts={tuple(parts)}`, but there are three: train, validation and test."
        )
    if any(not part > 0 for part in parts):
        raise InputError(f"`parts={tuple(parts)}`, but each part needs something: above zero.")
    if counts and sum(parts) > available:
        raise InputError(
            f"`parts={tuple(parts)}` asks for {sum(parts)} {kind}, but there are {available}."
        )
    if not counts and sum(parts) > 1 + 1e-9:
        raise InputError(f"`parts={tuple(parts)}`, but fractions sum to at most 1.")
    if available < 3:
        raise InputError(
            f"There are {available} {kind}; three parts without overlap need at least 3."
        )


def _counts(fractions: Sequence[float], total: int) -> list[int]:
    """Whole numbers near the fractions of `total`, each at least one."""
    bounds = np.rint(np.cumsum([0, *fractions]) * total).astype(int)
    counts = np.diff(bounds)
    if (counts < 1).any():
        raise InputError(
            f"`parts={tuple(fractions)}` of {total} classes leaves a part empty; give it more."
        )
    return counts.tolist()


def _whole_groups(order: list, size: dict, targets: list[float]) -> list[set]:
    """Goes through groups in the given order and gives each to the part that is furthest from its target, among those
    with room for at least half of it."""
    shares: list[set] = [set() for _ in targets]
    total = sum(size.values())
    left = list(targets)
    unasked = total - sum(targets)  # where fractions sum to less than one, this much is left out
    for i, group in enumerate(order):
        empty = [part for part, share in enumerate(shares) if not share]
        roomy = [part for part in range(len(left)) if 2 * left[part] >= size[group]]
        if len(order) - i <= len(empty):
            roomy = empty  # the last groups go where there is none yet
        elif unasked > max(size[group], 0.5) and unasked > max(left):
            unasked -= size[group]
            continue
        part = max(roomy, key=lambda p: left[p] / targets[p]) if roomy else int(np.argmax(left))
        shares[part].add(group)
        left[part] -= size[group]
    return shares


def left_out(skipped: Sequence[str]) -> list[str]:
    """The lines of `skipped`, as they are told."""
    return [f"Left out or changed: {line}" for line in skipped]


def some(words, most: int = 5) -> str:
    """The first few, and how many more there are."""
    words = sorted(words)
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
