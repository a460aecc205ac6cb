"""N-way K-shot episodes from arrays, drawn inside the compiled program."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax import core
from jaxtyping import Array, Int, Key

from ..core import Batch, InputError, Split, Task
from ..data import Classes, DEVICE_BYTES, Labelled, left_out, on_device, Streamed
from ._base import AbstractTasks, check_points

Augment = Callable[..., Array]  # (x, *, key) -> x, of one class: "examples *in"


class Episodes(AbstractTasks):
    """Few-shot classification: a task is a choice of `ways` classes, with `shots` examples of each
    in the support set and `queries` others of each in the query set.

    Targets are one-hot, `(points, ways)`. Points are ordered by shot, not by class: the first
    `ways` points are one example of every class, so that a smaller support set is the beginning of
    a larger one.

    **Arguments:**

    - `train`, `validation`, `test`: the classes of each split, which must not overlap; on the host
      they are `Labelled`.
    - `ways`, `shots`, `queries`: classes of a task, and examples of each class.
    - `augment`: a change of the examples of one class in training, `(x, *, key) -> x`.
    - `device_bytes`: if the examples of all splits together take more, they stay on the host and
      are `Streamed`. The tasks are the same.

    **Raises:** `InputError` for more ways than classes, for a class with too few examples, which is
    named, and for a class in two splits.

    Source: Vinyals et al. 2016, *Matching Networks for One Shot Learning*, §4.1.

    >>> import jax.random as jr, numpy as np, learnset as ls
    >>> x, y = np.zeros((60, 28, 28, 1), np.uint8), np.repeat(np.arange(6), 10)
    >>> classes = ls.data.Labelled.from_arrays(x, y)
    >>> tasks = ls.Episodes(*classes.split((2, 2, 2)), ways=2, shots=4)
    >>> tasks.sample(ls.Split.TEST, key=jr.key(0)).support.x.shape
    (8, 28, 28, 1)
    """

    train: Classes
    validation: Classes
    test: Classes
    ways: int = 5
    shots: int = 1
    queries: int = 5
    augment: Augment | None = eqx.field(static=True, default=None)

    def __init__(
        self,
        train: Labelled | Classes,
        validation: Labelled | Classes,
        test: Labelled | Classes,
        ways: int = 5,
        shots: int = 1,
        queries: int = 5,
        augment: Augment | None = None,
        *,
        device_bytes: int = DEVICE_BYTES,
    ):
        self.train, self.validation, self.test = on_device(
            train, validation, test, device_bytes=device_bytes
        )
        self.ways, self.shots, self.queries, self.augment = ways, shots, queries, augment

    def __check_init__(self):
        check_points("Episodes", self.shots, self.queries)
        if not isinstance(self.ways, int) or self.ways < 2:
            raise InputError(f"Episodes: `ways={self.ways}`, but a task needs at least 2 classes.")
        for split in Split:
            check_enough(self.pool(split), split, self.ways, self.shots, self.queries)
        if not self.same_classes:
            check_disjoint({split: self.pool(split).names for split in Split})

    @property
    def same_classes(self) -> bool:
        """Whether all splits have the same classes, and differ in examples."""
        return False

    @property
    def points_per_shot(self) -> int:
        return self.ways

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the data, a line each: what was left out, and whether they are streamed."""
        pools = [self.pool(split) for split in Split]
        lines = [line for pool in pools for line in left_out(pool.skipped)]
        streamed = [pool for pool in pools if isinstance(pool, Streamed)]
        if streamed:
            examples = sum(pool.examples for pool in streamed)
            size = sum(pool.x.array.nbytes for pool in streamed)
            lines.append(
                f"{examples:,} examples, {size:,} bytes, stay on the host, and tasks are streamed"
                " from it."
            )
        return tuple(dict.fromkeys(lines))

    def pool(self, split: Split) -> Classes:
        """The classes of a split."""
        return (self.train, self.validation, self.test)[split.value]

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        return self._task(split, key)[0]

    def named(self, split: Split, *, key: Key[Array, ""]) -> tuple[Task, tuple[str, ...]]:
        """The task that `sample` draws, and the names of its classes."""
        task, classes = self._task(split, key)
        return task, tuple(self.pool(split).names[int(number)] for number in classes)

    def _task(self, split: Split, key: Key[Array, ""]) -> tuple[Task, Int[Array, "ways"]]:
        pool = self.pool(split)
        class_key, example_key, augment_key = jr.split(split.fold(key), 3)
        classes = choose(len(pool), self.ways, key=class_key)
        each = self.shots + self.queries
        chosen = jax.vmap(lambda n, k: choose(n, each, key=k))(
            pool.sizes[classes], jr.split(example_key, self.ways)
        )
        x = pool[pool.starts[classes][:, None] + chosen]  # ways, shots and queries, *in
        augment = self.augment
        if augment is not None and split is Split.TRAIN:
            x = jax.vmap(lambda x, k: augment(x, key=k))(x, jr.split(augment_key, self.ways))
        y = jnp.broadcast_to(
            jnp.eye(self.ways, dtype=x.dtype)[:, None], (self.ways, each, self.ways)
        )

        def shot_by_shot(leaf: Array, part: slice) -> Array:
            return leaf[:, part].swapaxes(0, 1).reshape(-1, *leaf.shape[2:])

        def batch(part: slice) -> Batch:
            return Batch(shot_by_shot(x, part), shot_by_shot(y, part))

        return Task(batch(slice(self.shots)), batch(slice(self.shots, None))), classes


class SameClasses(Episodes):
    """Tasks of the same classes in every split, which differ in their examples: how well these
    classes are told apart from a few examples of each. `Labelled.halves` divides examples.

    **Arguments:** as `Episodes`.

    >>> import numpy as np, learnset as ls
    >>> data = ls.data.Labelled.from_arrays(np.zeros((40, 2)), np.repeat([0, 1], 20))
    >>> first, second = data.halves()
    >>> ls.tasks.SameClasses(first, first, second, ways=2).pool(ls.Split.TEST).names
    ('0', '1')
    """

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)

    @property
    def same_classes(self) -> bool:
        return True


def choose(number: int | Int[Array, ""], count: int, *, key: Key[Array, ""]) -> Int[Array, "count"]:
    """`count` different whole numbers below `number`, in random order. It takes `count` steps,
    whatever `number` is (R. W. Floyd, in Bentley & Floyd 1987, *A sample of brilliance*)."""
    draw_key, order_key = jr.split(key)
    last = jnp.asarray(number, jnp.int32) - count + jnp.arange(count, dtype=jnp.int32)
    drawn = jr.randint(draw_key, (count,), 0, last + 1)

    def step(i: Array, chosen: Array) -> Array:
        taken = (chosen == drawn[i]).any()
        return chosen.at[i].set(jnp.where(taken, last[i], drawn[i]))

    chosen = jax.lax.fori_loop(0, count, step, jnp.full(count, -1, jnp.int32))
    return jr.permutation(order_key, chosen)


def check_enough(pool: Classes, split: Split, ways: int, shots: int, queries: int) -> None:
    """Raises `InputError`, which names the class, unless every task can be drawn from the pool."""
    if len(pool) < ways:
        raise InputError(
            f"`ways={ways}`, but there are {len(pool)} classes to {_purpose(split)}. Lower `ways`,"
            " or give that split more classes."
        )
    if isinstance(pool.sizes, core.Tracer) or pool.smallest >= shots + queries:
        return
    name = pool.names[int(np.argmin(pool.sizes))]
    raise InputError(
        f"`shots={shots}` and `queries={queries}` need {shots + queries} examples of a class, but"
        f" class {name!r} has {pool.smallest}. Lower them, or leave out small classes with"
        f" `min_size={shots + queries}`."
    )


def _purpose(split: Split) -> str:
    return {Split.TRAIN: "train on", Split.VALIDATION: "validate on", Split.TEST: "test on"}[split]


def check_disjoint(names: dict[Split, tuple[str, ...]]) -> None:
    """Raises `InputError`, which names the class, unless each class is in one split."""
    split_of: dict[str, Split] = {}
    for split, classes in names.items():
        for name in classes:
            if split_of.setdefault(name, split) is not split:
                raise InputError(
                    f"Class {name!r} is in two splits, to {_purpose(split_of[name])} and to"
                    f" {_purpose(split)}: then nothing would test how new classes are learnt. Give"
                    " each class to one split."
                )
