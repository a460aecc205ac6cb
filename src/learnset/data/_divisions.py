"""Divisions of the rows of a table: to train on, to choose settings on, and to score on."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from ..core import few, InputError, Split

if TYPE_CHECKING:
    from ._table import Table

Parts = tuple[float, float, float]
Division = Int[np.ndarray, "rows"]


def at_random(table: "Table", seed: int, parts: Parts) -> Division:
    """Rows dealt out at random: those of each task, or rows of all targets alike. Rows of one group
    stay together; of a table of classes, each part has about its share of every class.

    **Raises:** `InputError` for a task with fewer than three rows, or groups.
    """
    random, part = np.random.default_rng(seed), np.zeros(len(table.x), np.int64)
    if table.group is not None:
        return _by_groups(table, table.group, random, parts)
    if table.task is None:
        part[random.permutation(len(part))] = dealt(len(part), parts)
        return part
    rows = [table.rows_of(number) for number in range(len(table))]
    for number, of_task in enumerate(rows):
        _check_enough(table.names[number], len(of_task), "labelled row")
    if table.classes:
        return _by_classes(table, rows, random, parts)
    for of_task in rows:
        part[random.permutation(of_task)] = dealt(len(of_task), parts)
    return part


def by_time(table: "Table", count: int) -> list[Division]:
    """Divisions in which the past trains, and what comes later chooses settings and is scored, in
    `count` windows that move on: the first trains on four tenths of the rows. Rows of one time stay
    together. (Tashman 2000, *Out-of-sample tests of forecasting accuracy*: rolling origin.)

    **Raises:** `InputError` for too few different times.
    """
    assert table.time is not None
    window, order = 0.6 / (count + 1), np.argsort(table.time, kind="stable")
    sorted_times = table.time[order]
    cuts = [0.4 + window * i for i in range(count + 2)]
    at = [min(len(order) - 1, round(cut * len(order))) for cut in cuts[:-1]]
    edges = [*sorted_times[at], np.inf]
    if len(np.unique(edges)) < len(edges) or edges[0] == sorted_times[0]:
        raise InputError(
            f"{len(np.unique(sorted_times))} different times are too few for {count} windows of"
            " about as many rows. Use fewer divisions (`--seeds`)."
        )
    return [
        np.where(table.time < edges[i], 0, np.where(table.time < edges[i + 1], 1, 2))
        + 3 * (table.time >= edges[i + 2])  # later than what is scored: in no part
        for i in range(count)
    ]


def lacking(table: "Table", divisions: Sequence[Division]) -> list[int]:
    """The tasks that have no labelled row in some part of some division."""
    rows = [table.rows_of(number) for number in range(len(table))]
    return [
        number
        for number, of_task in enumerate(rows)
        if any(not (part[of_task] == s.value).any() for part in divisions for s in Split)
    ]


def with_rows_in_each_part(table: "Table", seeds: Sequence[int]) -> "Table":
    """The table without tasks that have no labelled row in some part of a division by time or as
    given, which is noted.

    **Raises:** `InputError` where no task is left.
    """
    if table.time is None and table.part is None:
        return table
    lack = lacking(table, table.divisions(seeds))
    if table.task is None or not lack:
        return table
    if len(lack) == len(table):
        raise InputError(
            "No task has rows to train on, to choose settings on and to score on, as they are"
            " divided. Use fewer divisions (`--seeds 1`), or divide rows at random."
        )
    names = few(table.names[number] for number in lack)
    note = (
        f"{len(lack)} of {len(table)} tasks have no row to train on, to choose settings on or to"
        f" score on, and are left out: {names}."
    )
    some = table.some_rows(~np.isin(table.task, lack))
    # Windows of time move when rows are left out, so that other tasks may lack some now.
    return with_rows_in_each_part(dataclasses.replace(some, notes=(*table.notes, note)), seeds)


def _by_groups(
    table: "Table", group: np.ndarray, random: np.random.Generator, parts: Parts
) -> Division:
    """Whole groups dealt out, task by task; a group of several tasks is dealt with its first."""
    of_group = np.full(int(group.max()) + 1, -1)
    tasks = [np.arange(len(group))]
    if table.task is not None:
        tasks = [table.rows_of(number) for number in range(len(table))]
    for number, rows in enumerate(tasks):
        groups = np.unique(group[rows])
        if table.task is not None:
            _check_enough(table.names[number], len(groups), "group")
        free = random.permutation(groups[of_group[groups] < 0])
        share = dealt(len(groups), parts)
        given = np.bincount(of_group[groups][of_group[groups] >= 0], minlength=3)
        wanted = np.maximum(np.bincount(share, minlength=3) - given, 0)
        deal = np.repeat(np.arange(3), wanted)
        of_group[free] = np.concatenate([random.permutation(deal), np.zeros(len(free))])[
            : len(free)
        ]
    return np.maximum(of_group, 0)[group]


def _by_classes(
    table: "Table", rows: list[np.ndarray], random: np.random.Generator, parts: Parts
) -> Division:
    """Parts of each task as large as `dealt` makes them, and of each class about as its share in
    all tasks together: rows of rare classes are dealt first, each to the part that lacks it most
    and has room in its task."""
    part = np.full(len(table.x), -1)
    room = np.stack([np.bincount(dealt(len(of_task), parts), minlength=3) for of_task in rows])
    labelled = np.concatenate([random.permutation(of_task) for of_task in rows])
    labelled = random.permutation(labelled)
    number = np.zeros(len(part), np.int64) if table.task is None else table.task
    classes, counts = np.unique(table.y[labelled, 0], return_counts=True)
    for kind in classes[np.argsort(counts, kind="stable")]:
        given = np.zeros(3)
        for nth, row in enumerate(labelled[table.y[labelled, 0] == kind]):
            lack = np.asarray(parts) * (nth + 1) - given
            best = int(np.where(room[number[row]] > 0, lack, -np.inf).argmax())
            part[row], given[best] = best, given[best] + 1
            room[number[row], best] -= 1
    return np.maximum(part, 0)


def dealt(count: int, parts: Parts) -> Int[np.ndarray, "count"]:
    """The part of each of `count` things, which are divided into three parts, none of them empty.

    >>> dealt(5, (0.6, 0.2, 0.2)).tolist()
    [0, 0, 0, 1, 2]
    """
    validation, test = (max(1, int(np.floor(part * count + 0.5))) for part in parts[1:])
    number = np.full(count, Split.TRAIN.value)
    number[count - validation - test : count - test] = Split.VALIDATION.value
    number[count - test :] = Split.TEST.value
    return number


def _check_enough(name: str, count: int, unit: str) -> None:
    if count < 3:
        raise InputError(
            f"Task {name!r} has {count} {unit}{'' if count == 1 else 's'}, but it needs one to"
            " train on, one to choose settings on and one to score on. Leave out small tasks with"
            " `min_rows=3`."
        )
