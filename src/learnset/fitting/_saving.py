"""A fitted model as one file, and back: another process needs no data and no code but learnset."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core import for_task, InputError
from ..data import Encoding, Schema
from ..training import load as load_predictor
from ._correction import Correction, Penalty
from ._file import pack, read, SUFFIX, unpack, write
from ._fitted import Added, Fitted
from ._intervals import Calibration, Intervals
from ._structure import from_plain, to_plain


def save(fitted: Fitted, path: Path) -> None:
    """Writes a fitted model."""
    write(path, to_bytes(fitted))


def to_bytes(fitted: Fitted) -> bytes:
    """A fitted model as the bytes of a file."""
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
        "added": [[one.name, one.rows, put(tuple(one.correction))] for one in fitted.added],
    }
    return pack(about, arrays)


def load(path: str | Path) -> Any:
    """What was saved in a file: a `Fitted`, or a predictor that `learnset.save` wrote, as a
    function of many inputs.

    **Raises:** `InputError` for a file that is missing, damaged, or not of this format.

    >>> import numpy as np, learnset as ls, tempfile, os
    >>> x, shop = np.arange(40.0)[:, None], np.repeat(["east", "west"], 20)
    >>> table = ls.Table.from_arrays(x, 2 * x[:, 0] + 100 * (shop == "west"), shop)
    >>> path = os.path.join(tempfile.mkdtemp(), "shops.learnset")
    >>> ls.fit(table, "ridge with offsets").save(path)
    >>> ls.load(path)
    Fitted(ridge with offsets, 2 tasks, 1 inputs, regression)
    """
    path = Path(path)
    if path.is_file() and not _is_zip(path):
        return load_predictor(path)
    return load_fitted(path)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == SUFFIX or file.read(2) == b"PK"


def load_fitted(path: Path) -> Fitted:
    """The fitted model of a file."""
    return from_bytes(read(path), path)


def from_bytes(content: bytes, path: str | Path = "The model") -> Fitted:
    """The fitted model in the bytes of a file."""
    about, arrays = unpack(content, path)
    try:
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


def _fitted(about: dict[str, Any], arrays: dict[str, np.ndarray]) -> Fitted:
    def get(name: str) -> Any:
        return None if about[name] is None else from_plain(about[name], arrays)

    model = from_plain(about["model"], arrays)
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
        model=jax.tree.map(lambda leaf: jnp.asarray(leaf) if eqx.is_array(leaf) else leaf, model),
        penalties={int(n): Penalty(float(a), float(b)) for n, a, b in get("penalties").tolist()},
        intervals=intervals,
        calibration=calibration,
        card=about["card"],
        logs=tuple(about["logs"]),
        added=tuple(
            Added(str(name), int(rows), Correction(*from_plain(parts, arrays)))
            for name, rows, parts in about["added"]
        ),
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
        one.correction.bias.shape != (out,) or one.correction.weight.shape != (features, out)
        for one in fitted.added
    ):
        raise InputError("its tasks that were added are not of its model.")
