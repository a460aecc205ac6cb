"""A model that is ready to be used: it predicts, adapts, is saved and loaded."""

import dataclasses
import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from ..core import InputError, needs
from ..data import Encoding, Records, Schema
from ._correction import Correction, MOST_ROWS, Penalty
from ._intervals import Calibration, Intervals
from ._newcomers import nbytes_beyond, Newcomers
from ._outputs import Outputs, outputs_of
from ._residuals import corrected

MOST_ADDED = 10_000  # tasks that were adapted
FAR = 1000  # standard deviations of an input, beyond which a row says nothing of a new task
MEAN_OF_TASKS = (
    "The mean of tasks answers rows of unknown tasks; `adapt` learns a new task from a few rows."
)
BASIS = ("mean of tasks", "known task", "few rows")


class Added(NamedTuple):
    """A task that was learnt from a few rows: what they add to the mean of tasks, or the predictor
    that a recipe for new tasks makes of them, and that recipe with the number of rows that its
    settings are for."""

    name: str
    rows: int
    learnt: Any  # a `Correction`, or a predictor
    recipe: str = ""
    shots: int = 0


class Answers(NamedTuple):
    """Predictions for rows, in the units of the targets, "rows targets", with their intervals.

    `probabilities` are of classes, "rows targets classes". `basis` says for each row what it rests
    on, as a number in `BASIS`. `notes` are for people.
    """

    predicted: np.ndarray
    lower: Float[np.ndarray, "rows targets"] | None
    upper: Float[np.ndarray, "rows targets"] | None
    probabilities: Float[np.ndarray, "rows targets classes"] | None
    basis: Int[np.ndarray, "rows"]
    tasks: tuple[str, ...]  # names; empty where each target is a task
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Fitted:
    """A model of a table, ready to be used. `fit` makes one, and `load` reads one.

    - `schema`: the columns that it reads. `encoding`: of inputs; `mean`, `std`: of the scaled
      targets of each task.
    - `model`: of all known tasks. `added`: tasks that were adapted later.
    - `penalties`: how strongly a new task is pulled to the mean of tasks, by its number of rows.
      `newcomers`: recipes that learn a new task instead.
    - `intervals`, `calibration`: from held-out rows.
    - `logs`: of each target, whether the model has its logarithm ("log"), that of one more than it
      ("log1p"), or the target itself ("").
    - `card`: what it was learnt from and how well it did.
    """

    schema: Schema
    encoding: Encoding
    mean: Float[np.ndarray, "tasks"]
    std: Float[np.ndarray, "tasks"]
    model: Any
    penalties: dict[int, Penalty]
    intervals: Intervals | None
    calibration: Calibration | None
    card: dict[str, Any]
    logs: tuple[str, ...]
    added: tuple[Added, ...] = ()
    newcomers: Newcomers | None = None

    def __repr__(self) -> str:
        kind = "regression" if self.calibration is None else "classes"
        more = f", {len(self.added)} added" if self.added else ""
        return (
            f"Fitted({self.card['recipe']['name']}, {len(self.mean)} tasks{more},"
            f" {len(self.schema.names)} inputs, {kind})"
        )

    # Predicting

    def predict(self, frame: Any) -> Any:
        """Predictions for the rows of a data frame or of a file, in their order.

        Columns may come in any order, labels need not be there, and a cell may be empty. A task
        that is not known is answered by the mean of tasks.

        **Returns:** a data frame of the same library (Polars for a file): the task, `predicted`,
        the 90 % interval from `lower` to `upper` or the probability of each class, and `basis`: the
        task itself, a few rows of it, or the mean of tasks. With several targets the names of
        columns begin with that of the target.

        **Raises:** `InputError` for a missing column or a cell that cannot be read. It warns of
        tasks and words that are not known.
        """
        answers = self.answers(self.reader.read(frame))
        for note in answers.notes:
            warnings.warn(note, stacklevel=2)
        return self.frame(answers, like=frame)

    def answers(self, records: Records) -> Answers:
        """Predictions for rows that were read by `reader`."""
        with np.errstate(over="ignore"):
            x = self.encoding(records.x)
        count, targets = len(x), len(self.schema.targets)
        if self.schema.task is None:
            number = np.tile(np.arange(targets), count)
            x = np.repeat(x, targets, axis=0)
            names: tuple[str, ...] = ()
        else:
            number, names = records.task, records.task_names
            assert number is not None
        with np.errstate(over="ignore", invalid="ignore"):  # said below
            z, half = self._outputs(x, number)
        if not np.isfinite(z).all():
            row = int(np.argwhere(~np.isfinite(z))[0, 0]) // (1 if self.schema.task else targets)
            raise InputError(
                f"The prediction for row {row + 1} is not finite: look for huge numbers in it."
            )
        basis = np.where(number < 0, 0, np.where(number < len(self.mean), 1, 2))
        shape = (count, targets, *z.shape[1:])
        notes = (*records.notes, *self._unknown(number, names))
        if self.calibration is not None:
            each = np.array([len(self.classes(i)) for i in range(targets)])
            possible = np.arange(z.shape[1]) < each[:, None]
            chances = softmax(np.where(possible, z.reshape(shape), -np.inf), axis=2)
            return Answers(chances.argmax(axis=2), None, None, chances, basis, names, notes)
        z = z[:, 0].reshape(count, targets)
        if half is None:
            return Answers(self._as_measured(z), None, None, None, basis, names, notes)
        half = half.reshape(count, targets)
        predicted, lower, upper = map(self._as_measured, (z, z - half, z + half))
        return Answers(predicted, lower, upper, None, basis, names, notes)

    def _as_measured(self, z: np.ndarray) -> np.ndarray:
        """Targets as they were measured, where the model has their logarithms."""
        back = {"": np.asarray, "log": np.exp, "log1p": np.expm1}
        with np.errstate(over="ignore"):
            y = np.stack([back[log](z[:, i]) for i, log in enumerate(self.logs)], axis=1)
        counts = [column.kind == "count" for column in self.schema.targets]
        return np.where(counts, np.maximum(y, 0), y)  # no count is less than none

    def _outputs(self, x: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions in the units of the targets with the half widths of their intervals, or
        calibrated logits."""
        count = len(self.mean)
        z = self._model(x, np.where(number < count, number, -1))
        if self.calibration is not None:
            z = self.calibration(z, 0 if self.schema.task else number)
        late = np.flatnonzero(number >= count)
        if len(late):
            features, which = self._model.features(x[late]), number[late] - count
            bias, weight = self._corrections
            z[late] += bias[which] + np.einsum("rf,rfo->ro", features, weight[which])
            for one in np.unique(which).tolist():
                if not isinstance(self.added[one].learnt, Correction):
                    inside = late[which == one]
                    z[inside] = outputs_of(self.added[one].learnt, x[inside])
        if self.calibration is not None:
            return z, None
        unit = np.where(number < count, number, 0) if self.schema.task is None else 0
        return z * self.std[unit, None] + self.mean[unit, None], self._halves(number)

    def _halves(self, number: np.ndarray) -> np.ndarray | None:
        if self.intervals is None:
            return None
        late = [self.intervals.after(one.rows) for one in self.added]
        return np.array([*self.intervals.tasks, *late, self.intervals.new])[number]

    def classes(self, target: int) -> tuple[str, ...]:
        """The classes of a target; empty for numbers."""
        return self.schema.classes[target]

    def _unknown(self, number: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
        return (MEAN_OF_TASKS,) if names and (number < 0).any() else ()

    def frame(self, answers: Answers, like: Any = None) -> Any:
        """Predictions as a data frame, of the library that `like` is of (default: Polars)."""
        with needs("tables"):
            import narwhals as nw

        columns: dict[str, Any] = {}
        if self.schema.task is not None:
            columns[self.schema.task.name] = list(answers.tasks)
        several = len(self.schema.targets) > 1
        for i, target in enumerate(self.schema.targets):
            columns |= self._columns(answers, i, f"{target.name} " if several else "")
        if self.schema.task is not None:
            columns["basis"] = [BASIS[b] for b in answers.basis]
        try:
            backend = nw.get_native_namespace(like)
        except TypeError:
            backend = "polars"
        frame = nw.from_dict(columns, backend=backend).to_native()
        return frame.set_axis(like.index) if hasattr(frame, "set_axis") else frame  # of pandas

    def _columns(self, answers: Answers, i: int, prefix: str) -> dict[str, Any]:
        predicted = answers.predicted[:, i]
        if answers.probabilities is not None:
            classes = self.classes(i)
            return {f"{prefix}predicted": [classes[c] for c in predicted]} | {
                f"{prefix}probability of {name}": answers.probabilities[:, i, c]
                for c, name in enumerate(classes)
            }
        columns = {f"{prefix}predicted": predicted}
        if answers.lower is not None and answers.upper is not None:
            columns |= {f"{prefix}lower": answers.lower[:, i]}
            columns |= {f"{prefix}upper": answers.upper[:, i]}
        return columns

    # Adapting

    def adapt(self, rows: Any) -> "Fitted":
        """The model with the tasks of these rows added, each learnt from its few rows: what they
        add to the mean of tasks, the more the more rows there are. The data of past tasks are not
        needed.

        **Raises:** `InputError` for rows without labels, and rows of tasks that are known already.
        """
        return self.adapted(self.reader.read(rows))

    def adapted(self, records: Records) -> "Fitted":
        """`adapt`, for rows that were read by `reader`."""
        if not np.isfinite(records.y).any():
            raise InputError(
                f"No row has a label: `adapt` needs the column {self.schema.targets[0].name!r}."
            )
        number, names = records.task, records.task_names
        if number is None:
            raise InputError("Its tasks are its targets, which cannot be added to. Fit it again.")
        count = len(self.mean)
        known = sorted({name for n, name in zip(number, names, strict=True) if 0 <= n < count})
        if known:
            raise InputError(
                f"Task {known[0]!r} is known already. `adapt` adds new tasks; fit the model again"
                " to learn more of those that it knows."
            )
        labelled = np.isfinite(records.y[:, 0])
        if any(not names[row] for row in np.flatnonzero(labelled)):
            raise InputError("A row has a label, but no task. Name the new task.")
        groups: dict[str, list[int]] = {}
        for row in np.flatnonzero(labelled).tolist():
            groups.setdefault(names[row], []).append(row)
        kept = {one.name: one for one in self.added}
        if len(kept | groups) > MOST_ADDED:
            raise InputError(f"More than {MOST_ADDED} tasks would be added. Fit the model again.")
        for name, rows in groups.items():
            some = rows[:MOST_ROWS]
            x, y = self.encoding(records.x[some]), records.y[some]
            kept[name] = self._added(name, x, y)._replace(rows=len(rows))
        adapted = dataclasses.replace(self, added=tuple(kept.values()))
        adapted.__dict__["_model"] = self._model  # the same model: nothing is computed again
        return adapted

    def _added(self, name: str, x: np.ndarray, y: np.ndarray) -> Added:
        """A new task, from its rows."""
        far = np.abs(x).max(axis=1, initial=0) > FAR
        if far.any():
            warnings.warn(
                f"{far.sum()} of {len(x)} rows of a new task have an input more than {FAR} standard"
                " deviations from those of `fit`, and are not learnt from. Check their units.",
                stacklevel=3,
            )
            x, y = x[~far], y[~far]
        if self.calibration is not None:
            y = (y == np.arange(self.calibration.offset.shape[1])).astype(np.float64)
        else:
            y = (self._logarithm(y) - self.mean[0]) / self.std[0]
        if self.newcomers is not None and len(x):
            predictor, plan = self.newcomers.learnt(x, y)
            return Added(name, len(x), predictor, plan.recipe, plan.shots)
        tried = [shots for shots in sorted(self.penalties) if shots <= len(x)]
        first = min(self.penalties, default=0)
        penalty = self.penalties.get(tried[-1] if tried else first, Penalty(1.0, float("inf")))
        mean, features = self._model(x, np.full(len(x), -1)), self._model.features(x)
        fixed = corrected(self._model, features, mean, y, penalty, self.calibration)
        return Added(name, len(x), fixed)

    def _logarithm(self, y: np.ndarray) -> np.ndarray:
        """A target as the model has it."""
        log = self.logs[0]
        if log and y.min() < 0 or log == "log" and y.min() == 0:
            raise InputError(f"The target is {y.min():g} in some row, but the model has its log.")
        return {"": np.asarray, "log": np.log, "log1p": np.log1p}[log](y)

    # Derived

    @functools.cached_property
    def reader(self) -> Schema:
        """The schema, with the tasks that were added."""
        return dataclasses.replace(self.schema, tasks=(*self.schema.tasks, *self.added_names))

    @property
    def added_names(self) -> tuple[str, ...]:
        """The names of the tasks that were added."""
        return tuple(one.name for one in self.added)

    @functools.cached_property
    def _model(self) -> Outputs:
        return Outputs(self.model, len(self.mean))

    @functools.cached_property
    def _corrections(self) -> tuple[np.ndarray, np.ndarray]:
        some = (one.learnt for one in self.added if isinstance(one.learnt, Correction))
        one = next(some, Correction(np.zeros(1), np.zeros((1, 1))))
        none = Correction(*(np.zeros_like(part) for part in one))
        parts = [p if isinstance(p, Correction) else none for _, _, p, *_ in self.added]
        return np.stack([p.bias for p in parts]), np.stack([p.weight for p in parts])

    @property
    def added_bytes(self) -> int:
        """The bytes that the tasks that were added take."""
        parts = [one.learnt for one in self.added]
        return nbytes_beyond(parts, self.newcomers) + 1000 * len(parts)

    def save(self, path: str | Path) -> None:
        """Writes the model as one file, which `learnset.load` reads."""
        from ._saving import save

        save(self, Path(path))

    def __reduce__(self) -> Any:
        """Copies between processes, and joblib, go by the bytes of the file."""
        from ._saving import from_bytes, to_bytes

        return from_bytes, (to_bytes(self),)
