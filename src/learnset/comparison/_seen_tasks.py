"""The question about the tasks that were trained on, at rows that were not."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..core import AbstractAdapter, at, fast_dots, for_task, InputError, Model, Split
from ..data import limited, Table
from ..tasks import AbstractTasks, by_rows, FiniteTasks, TableTasks
from ._measure import AbstractPointMeasure, MeanSquaredError
from ._question import AbstractQuestion, padded, stacked
from ._row_measures import measure_of_rows
from ._rows import Rows
from ._seeds import Purpose, seed_keys


class SeenTasks(AbstractQuestion):
    """The very tasks that were trained on, at points that were not.

    **Arguments:**

    - `sets`: the numbered tasks of each seed, their arrays with a leading `seeds` axis.
    - `measure`: of the predictions.
    - `one_target`: whether the tasks have one target, in one unit.
    - `overlap`: the number of scored rows over that of the others, where seeds divide the same
        rows. `group`: of each row, the number of those that belong together.
    - `refit`: whether what is chosen is learnt once more, from the points to train on and those to
        choose settings on together, by learners that work on the host.
    """

    sets: FiniteTasks
    measure: AbstractPointMeasure
    one_target: bool = True
    # A field, computed once.
    overlap: float = 0.0  # pyright: ignore[reportIncompatibleMethodOverride]
    group: Int[np.ndarray, "rows"] | None = None
    refit: bool = False
    shots: ClassVar[tuple[int | None, ...]] = (None,)
    tasks: ClassVar[str] = "seen"

    @classmethod
    def of_family(
        cls,
        family: AbstractTasks,
        *,
        num_tasks: int = 100,
        points: int = 10,
        seeds: int = 5,
        key: Key[Array, ""],
    ) -> "SeenTasks":
        """`num_tasks` tasks of a family for each seed, with `points` points each to learn from;
        scored by mean squared error."""
        make = eqx.filter_vmap(FixedTasks(num_tasks, points), in_axes=(None, 0))
        sets = eqx.filter_jit(make)(family, seed_keys(key, Purpose.PAST, seeds))
        return cls(sets, MeanSquaredError())

    @classmethod
    def of_table(
        cls,
        table: Table,
        *,
        seeds: Sequence[int] = range(5),
        points_per_task: int = 16,
        corrected: bool = True,
    ) -> "SeenTasks":
        """The tasks of a table. Each seed has its own division of the rows (`Table.divisions`),
        scaled by its training rows. What is chosen is learnt once more from the rows to train on
        and those to choose settings on, as users' tools do, before it is scored. Of tasks that are
        much larger than the others, a part of the rows is used (`learnset.data.limited`), with a
        warning.

        **Arguments:**

        - `points_per_task`: training points of each task in a step, at most.
        - `corrected`: whether intervals account for the rows that divisions share.

        **Raises:** `InputError` as `by_rows` does, and for a class with fewer than three rows.
        """
        table = limited(table, say=True)
        check_varied(table)
        parts = table.divisions(seeds)
        half = max(1, points_per_task // 2)
        divisions = [by_rows(table, part=part, shots=half, queries=half) for part in parts]
        scored = float(np.mean([(part == Split.TEST.value).mean() for part in parts]))
        overlap = scored / (1 - scored) if corrected else 0.0
        measure = measure_of_rows(len(table.classes), counts=table.counts)
        sets = stacked(_alike(divisions))
        return cls(sets, measure, table.task is not None, overlap, table.group, True)

    @property
    def seeds(self) -> int:
        return jax.tree.leaves(self.sets)[0].shape[0]

    @property
    def sizes(self) -> tuple[int, int]:
        """The lengths of an input and of a target."""
        first = at(self.sets, 0)
        points = jax.eval_shape(lambda: first.all_points(0, Split.TRAIN))
        return points.x.shape[-1], points.y.shape[-1]

    @property
    def refits(self) -> bool:
        return self.refit

    def past(self) -> tuple[FiniteTasks, bool]:
        return self.sets, True

    def ask(self, split: Split, view: Any, key: Key[Array, ""]) -> Split:
        del view, key
        return split

    def answers(
        self, adapters: AbstractAdapter, models: Model, asked: Split, shots: int | None
    ) -> np.ndarray:
        del shots
        offset = None
        count = self.sets.held_out.x.shape[self.sets.point_axis + 1]  # after the axis of seeds
        if asked is not Split.TRAIN and count % 2 == 0:
            # One program asks both halves of the held-out points.
            offset = jnp.asarray(0 if asked is Split.VALIDATION else 1)
            asked = Split.VALIDATION
        return np.asarray(_ask_seen(adapters, models, self.sets, self.measure, asked, offset))

    def for_measure(self, asked: Split) -> Rows:
        return self.rows(asked)

    def rows(self, split: Split) -> Rows:
        """The points that are scored in a split."""
        sets = [at(self.sets, seed) for seed in range(self.seeds)]
        pools = [jax.tree.map(np.asarray, _targets(tasks, split)) for tasks in sets]
        y, weight = (np.stack([pool[i] for pool in pools]).astype(np.float64) for i in (0, 1))
        first = sets[0]
        row = np.stack([np.asarray(tasks.rows_of(split)) for tasks in sets])
        std = np.stack([np.asarray(tasks.units, np.float64) for tasks in sets])
        weights = (y, weight > 0, row, std, first.names, first.classes)
        zero = None if first.zero is None else np.stack([tasks.zero for tasks in sets])
        return Rows(*weights, self.one_target, self.group, zero)


@eqx.filter_jit
def _targets(tasks: FiniteTasks, split: Split) -> tuple[Array, Array]:
    pool = tasks.pool(split)
    return pool.y, pool.weight


@eqx.filter_jit
def _ask_seen(
    adapters: AbstractAdapter,
    models: Model,
    sets: FiniteTasks,
    measure: AbstractPointMeasure,
    split: Split,
    offset: Array | None,
) -> Array:
    def of_seed(adapter: AbstractAdapter, model: Model, tasks: FiniteTasks) -> Array:
        if offset is not None:
            tasks = tasks.turned(offset)

        def of_task(index: Array) -> Array:
            support = tasks.all_points(index, Split.TRAIN)
            predictor = adapter.adapt(for_task(model, index), support)
            observed = measure.observe(predictor, tasks.all_points(index, split))
            return tasks.own_classes(observed, index)

        return jax.vmap(of_task)(jnp.arange(len(tasks)))[:, None]

    return fast_dots(eqx.filter_vmap(of_seed))(adapters, models, sets)


class FixedTasks(eqx.Module):
    """The past of recipes that train on a fixed set: `num_tasks` tasks with `points` points each.

    >>> import jax.random as jr, learnset as ls
    >>> len(ls.comparison.FixedTasks(30, 20)(ls.Sinusoids(), jr.key(0)))
    30
    """

    num_tasks: int
    points: int

    def __call__(self, tasks: AbstractTasks, key: Key[Array, ""]) -> FiniteTasks:
        return FiniteTasks.from_family(tasks, num_tasks=self.num_tasks, points=self.points, key=key)


def _alike(divisions: Sequence[TableTasks]) -> list[TableTasks]:
    """The tasks of all divisions, padded to the same numbers of inputs and of points: words and
    gaps may be in some training rows alone, and where rows are divided by group or time, tasks have
    others in each division."""
    axis = 0 if divisions[0].shared else 1
    width = max(tasks.points.x.shape[-1] for tasks in divisions)
    most = [
        max(getattr(tasks, name).weight.shape[axis] for tasks in divisions)
        for name in ("points", "held_out")
    ]
    common: dict[str, Any] = {
        "inputs": (),
        "shots": min(tasks.shots for tasks in divisions),
        "queries": min(tasks.queries for tasks in divisions),
    }

    def of_one(tasks: TableTasks) -> TableTasks:
        points, held = (
            padded(batch, axis, count, width)
            for batch, count in zip((tasks.points, tasks.held_out), most, strict=True)
        )
        rows = tuple(
            np.pad(row, [*((0, 0),) * axis, (0, count - row.shape[-1])], constant_values=-1)
            for row, count in zip(tasks.rows, most, strict=True)
        )
        rows = tuple(map(jax.device_put, rows))
        return dataclasses.replace(tasks, points=points, held_out=held, rows=rows, **common)

    return [of_one(tasks) for tasks in divisions]


def check_varied(table: Table) -> None:
    """Raises `InputError` for a class with too few rows to be in each part of a division."""
    for number, name in enumerate(table.targets):
        y = table.y[np.isfinite(table.y[:, number]), number]
        values, count = np.unique(y, return_counts=True)
        if len(table.classes) == 2 and count.min() < 3:
            rare = table.classes[int(values[count.argmin()])]
            raise InputError(
                f"{count.min()} of {len(y)} rows of {name!r} are {rare!r}, but training, validation"
                " and scoring need one each. Collect more such rows."
            )
