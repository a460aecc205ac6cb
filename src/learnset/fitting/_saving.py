"""A fitted model as one file, and back: another process needs no data and no code but learnset."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core import Batch, for_task, InputError
from ..data import Encoding, Schema
from ..training import load as load_predictor
from ._correction import Correction, Penalty
from ._examples import Classifier, FittedExamples
from ._file import MOST_BYTES, pack, read, SUFFIX, unpack, write
from ._fitted import Added, Fitted
from ._intervals import Calibration, Intervals
from ._saving_examples import about_of, examples_of
from ._structure import from_plain, to_plain

MOST_STEPS = 10_000  # of adaptation
AnyFitted = Fitted | FittedExamples | Classifier


def save(fitted: AnyFitted, path: Path) -> None:
    """Writes a fitted model."""
    write(path, to_bytes(fitted))


def to_bytes(fitted: AnyFitted) -> bytes:
    """A fitted model as the bytes of a file."""
    if not isinstance(fitted, Fitted):
        return pack(*about_of(fitted))
    arrays: dict[str, np.ndarray] = {}

    def put(value: Any) -> Any:
        return to_plain(value, arrays)

    about = {
        "learnset": fitted.card["versions"]["learnset"],
        "schema": fitted.schema.to_json(),
        "card": fitted.card,
        "logs": list(fitted.logs),
        "encoding": put(dataclasses.asdict(fitted.encoding)),
        "mean": put(fitted.mean),
        "std": put(fitted.std),
        "model": put(fitted.model),
        "penalties": put(np.array([(n, *p) for n, p in fitted.penalties.items()]).reshape(-1, 3)),
        "intervals": None if fitted.intervals is None else put(_numbers(fitted.intervals)),
        "calibration": None if fitted.calibration is None else put(_numbers(fitted.calibration)),
        "newcomers": put(fitted.newcomers),
        "added": [
            [one.name, one.rows, put(_tuple(one.learnt)), one.recipe, one.shots]
            for one in fitted.added
        ],
    }
    return pack(about, arrays)


def load(path: str | Path, *, most_bytes: int | None = None) -> Any:
    """What was saved in a file: a `Fitted`, `FittedExamples` or `Classifier`, or a predictor that
    `learnset.save` wrote, as a function of many inputs.

    **Arguments:** `most_bytes`: of a fitted model in memory (default: 2 GiB), or of a call of a
    predictor (default: 8 GiB).

    **Raises:** `InputError` for a file that is missing, damaged, larger, or not of this format.

    >>> import numpy as np, learnset as ls, tempfile, os
    >>> x, shop = np.arange(40.0)[:, None], np.repeat(["east", "west"], 20)
    >>> table = ls.Table.from_arrays(x, 2 * x[:, 0] + 100 * (shop == "west"), shop)
    >>> path = os.path.join(tempfile.mkdtemp(), "shops.learnset")
    >>> ls.fit(table, "ridge with offsets").save(path)
    >>> ls.load(path)
    Fitted(ridge with offsets, 2 tasks, 1 inputs, regression)
    """
    path = Path(path)
    limit = {} if most_bytes is None else {"most_bytes": most_bytes}
    if path.is_file() and not _is_zip(path):
        return load_predictor(path, **limit)
    return load_fitted(path, **limit)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == SUFFIX or file.read(2) == b"PK"


def load_fitted(path: Path, *, most_bytes: int = MOST_BYTES) -> AnyFitted:
    """The fitted model of a file."""
    return from_bytes(read(path, most_bytes), path)


def from_bytes(content: bytes, path: str | Path = "The model") -> AnyFitted:
    """The fitted model in the bytes of a file."""
    about, arrays = unpack(content, path)
    try:
        if "format_of" in about:
            return examples_of(about, arrays)
        fitted = _fitted(about, arrays)
        _check(fitted)
    except InputError as error:
        raise InputError(f"{path} cannot be used: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(f"{path} is not what `save` writes ({type(error).__name__}).") from None
    return fitted


def _numbers(parts: tuple[Any, ...]) -> list[np.ndarray]:
    """The parts of intervals or of a calibration as arrays: JSON has no infinity."""
    return [np.asarray(part, np.float64) for part in parts]


def _tuple(learnt: Any) -> Any:
    return tuple(learnt) if isinstance(learnt, Correction) else learnt


def _on_device(tree: Any, known: dict[int, Any]) -> Any:
    """The tree with arrays of JAX, each of which is there once."""

    def moved(leaf: Any) -> Any:
        if not eqx.is_array(leaf) and not isinstance(leaf, np.ndarray):
            return leaf
        return known.setdefault(id(leaf), jnp.asarray(leaf))

    return jax.tree.map(moved, tree)


def _fitted(about: dict[str, Any], arrays: dict[str, np.ndarray]) -> Fitted:
    def get(name: str) -> Any:
        return None if about[name] is None else from_plain(about[name], arrays)

    known: dict[int, Any] = {}

    def added(name: Any, rows: Any, plain: Any, recipe: Any = "", shots: Any = 0) -> Added:
        learnt = from_plain(plain, arrays)
        learnt = Correction(*learnt) if isinstance(learnt, tuple) else _on_device(learnt, known)
        return Added(str(name), int(rows), learnt, str(recipe), int(shots))

    intervals, calibration = get("intervals"), get("calibration")
    if intervals is not None:
        tasks, new, shots, adapted = intervals
        intervals = Intervals(
            tasks, float(new), tuple(map(int, shots.tolist())), tuple(adapted.tolist())
        )
    if calibration is not None:
        scale, offset, error = calibration
        calibration = Calibration(scale, offset, float(error))
    return Fitted(
        schema=Schema.from_json(about["schema"]),
        encoding=Encoding(**get("encoding")),
        mean=get("mean"),
        std=get("std"),
        model=_on_device(from_plain(about["model"], arrays), known),
        penalties={int(n): Penalty(float(a), float(b)) for n, a, b in get("penalties").tolist()},
        intervals=intervals,
        calibration=calibration,
        card=about["card"],
        logs=tuple(about["logs"]),
        added=tuple(added(*parts) for parts in about["added"]),
        newcomers=_on_device(from_plain(about["newcomers"], arrays), known)
        if "newcomers" in about
        else None,
    )


def _check(fitted: Fitted) -> None:
    """Raises unless all sizes fit together: then no request can fail by the file."""
    tasks, out = len(fitted.mean), max(1, *map(len, fitted.schema.classes))
    width = len(fitted.encoding.names)
    x = jax.ShapeDtypeStruct((width,), jnp.result_type(float))
    index = jax.ShapeDtypeStruct((), jnp.int32)
    shape = eqx.filter_eval_shape(lambda i, x: for_task(fitted.model, i)(x), index, x).shape
    if shape != (out,) or fitted.std.shape != (tasks,):
        raise InputError(f"its model gives {shape} for an input of {width}, not ({out},).")
    wanted = len(fitted.schema.tasks) if fitted.schema.task else len(fitted.schema.targets)
    if tasks != wanted:
        raise InputError(f"it has {wanted} tasks, but scales of {tasks}.")
    if len(fitted.logs) != len(fitted.schema.targets) or set(fitted.logs) - {"", "log", "log1p"}:
        raise InputError("its scales are not of its targets.")
    if fitted.intervals is not None and fitted.intervals.tasks.shape != (tasks,):
        raise InputError("its intervals are not of its tasks.")
    if (fitted.calibration is not None) != any(fitted.schema.classes):
        raise InputError("its calibration is not of its classes.")
    zeros = np.zeros((1, len(fitted.schema.names)))
    answer = fitted._outputs(fitted.encoding(zeros), np.array([-1]))[0]
    features = fitted._model.features(fitted.encoding(zeros)).shape[1]
    if answer.shape != (1, out) or any(
        one.learnt.bias.shape != (out,) or one.learnt.weight.shape != (features, out)
        for one in fitted.added
        if isinstance(one.learnt, Correction)
    ):
        raise InputError("its tasks that were added are not of its model.")
    _check_new(fitted, x, (out,))


def _check_new(fitted: Fitted, x: Any, shape: tuple[int, ...]) -> None:
    """Raises unless what is kept for new tasks learns them, and those that were added answer."""
    if fitted.newcomers is not None:
        support = Batch(*(jnp.zeros(s) for s in ((8, *x.shape), (8, *shape), (8,))))
        known = set()
        for plan in fitted.newcomers.plans:
            base, steps = fitted.newcomers.bases[plan.base], getattr(plan.adapter, "steps", 0)
            kind = plan.base, repr(plan.adapter), plan.shots > 0
            if kind in known:
                continue
            known.add(kind)
            new = eqx.filter_eval_shape(
                lambda base, a=plan.adapter: a.adapt(for_task(base, jnp.asarray(-1)), support), base
            )
            if not 0 <= steps <= MOST_STEPS or _shape_of(new, x) != shape or plan.shots < 1:
                raise InputError(f"its {plan.recipe} is not of its columns.")
    seen = set()
    for one in fitted.added:
        if not isinstance(one.learnt, Correction):
            kind = jax.tree.structure(one.learnt), str(jax.tree.map(np.shape, one.learnt))
            if kind not in seen and _shape_of(one.learnt, x) != shape:
                raise InputError("its tasks that were added are not of its model.")
            seen.add(kind)


def _shape_of(predictor: Any, x: Any) -> tuple[int, ...]:
    return eqx.filter_eval_shape(lambda p, x: p(x), predictor, x).shape
