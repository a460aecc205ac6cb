"""Two objectives of two parameters: where the methods of multi-task learning end, from each
start.

Source: the toy problem of Liu et al. 2021, *Conflict-Averse Gradient Descent for Multi-task
Learning*, §5.1, with both objectives at their own scale; of Navon et al. 2022, *Multi-Task Learning
as a Bargaining Game*, and Liu et al. 2023, *FAMO*, with the first at a tenth of it. Formulas are
those of their three programs, which agree. (FAMO's appendix D prints another sign in the second
objective.)
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import slug
from learnset.core import (
    AbstractMethod,
    Batch,
    InputError,
    Predictor,
    Task,
    traced,
    trainable,
    updated,
)
from learnset.multitask import CAGrad, FAMO, IMTLG, Mean, MGDA, NashMTL, PCGrad, UPGrad
from learnset.report import Page
from learnset.training import digest, read_arrays, write_arrays

from ._multitask_toy_page import draw, page

STARTS = {  # by the scale of the first objective
    1.0: ((-8.5, 7.5), (-8.5, -5.0), (9.0, 9.0)),
    0.1: ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0)),
}
STEPS = {1.0: 100_000, 0.1: 50_000}
# Where Adam ends, x alone where y is on the front (-8.4). Computed without this library, in double
# precision, from the formulas of the papers' programs, whose figures show the same but print no
# numbers.
SOURCE = "the papers' formulas, computed without this library; the papers' figures print no numbers"
REFERENCE: dict[str, dict[float, tuple[Any, ...]]] = {
    "Mean": {
        1.0: ((-5.07, 2.16), 0.0, (5.03, 2.33)),
        0.1: (-5.73, -5.73, (5.02, 3.93), -5.73, -5.73),
    },
    "MGDA": {1.0: (-3.32, -6.99, 3.33), 0.1: (-1.98, 6.10, 6.98, -4.26, 7.00)},
    "PCGrad": {1.0: (-2.55, -6.43, 2.35), 0.1: (-4.38, -3.35, (6.84, 0.08), -3.82, 5.03)},
    "CAGrad (c = 0.4)": {1.0: (0.0, 0.0, 0.0), 0.1: (-5.73, -5.73, (6.56, 0.18), -5.73, -5.73)},
    "IMTL-G": {1.0: (-2.34, -6.65, 2.23), 0.1: (-2.29, 0.00, 2.43, -3.39, 5.30)},
    "Nash-MTL": {1.0: (-2.92, -6.45, 2.93), 0.1: (-2.93, 0.00, 2.94, -3.29, 4.91)},
}
AGREES = 0.05  # in x and y
NEARBY = 1e-6  # how far the other copies of a start are from it
KIND = "paths 1"
RATE = 1e-3  # of Adam
RECORDED = 250  # steps between two points of a path
DRAWN = 81  # points of a drawn path, at most


@dataclasses.dataclass(frozen=True)
class MultiTaskToy:
    """The study's sizes.

    **Arguments:**

    - `steps`: of Adam, at most: 100 000 at scale 1, and 50 000 at scale 0.1, as published.
    - `copies`: paths from each start: one from the start itself, and others from points a millionth
      away, to tell what rounding alone decides.
    """

    steps: int = 100_000
    copies: int = 3

    reads: ClassVar[frozenset[str]] = frozenset({"seed", "steps", "resume"})

    def __post_init__(self):
        if self.copies < 1:
            raise InputError(f"multitask-toy: `copies={self.copies}`, but it must be at least 1.")
        if self.steps < RECORDED:
            raise InputError(
                f"multitask-toy: `steps={self.steps}`, but it must be at least {RECORDED}."
            )

    def quick(self) -> "MultiTaskToy":
        """The first steps from all starts, which end nowhere yet."""
        return MultiTaskToy(1000, 2)

    def with_steps(self, steps: int) -> "MultiTaskToy":
        """The same study with at most `steps` steps."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], *, resume: bool = False) -> dict[str, Any]:
        """Follows all methods from all starts.

        **Returns:** a row for each scale, method and start, and the paths that are drawn.
        """
        checkpoints = folder / "checkpoints"
        checkpoints.mkdir(exist_ok=True, parents=True)
        with jax.enable_x64(True):
            paths = {
                name: self._kept(checkpoints / f"{slug(name)}.paths", resume, method, key)
                for name, method in methods().items()
            }
        at_scale = {scale: self._at_scale(paths, scale) for scale in STARTS}
        rows = [
            row for name in paths for scale in STARTS for row in self._rows(at_scale, scale, name)
        ]
        figures = {
            f"{scale:g}": {name: drawn(path) for name, path in of_scale.items()}
            for scale, of_scale in at_scale.items()
        }
        return {"rows": rows, "figures": {"paths": figures}}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `paths-1` and `paths-0.1`."""
        for scale, paths in result["figures"]["paths"].items():
            draw(scale, paths, contours(float(scale)), folder)

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        return page(result, STEPS)

    def _kept(
        self, path: Path, resume: bool, method: AbstractMethod, key: Key[Array, ""]
    ) -> Float[np.ndarray, "copies starts points 2"]:
        """The paths of a method, those of an earlier run if that is resumed."""
        about = digest((self, method, key))
        if resume and path.is_file():
            made_with, arrays = read_arrays(path, KIND, "Delete it to have it made again.")
            if made_with != about:
                raise InputError(
                    f"{path} is of another seed, method or size. Resume with the same, or"
                    " `overwrite` the run."
                )
            return arrays["paths"]
        paths = self._paths(method, key)
        write_arrays(path, KIND, about, {"paths": paths})
        return paths

    def _paths(
        self, method: AbstractMethod, key: Key[Array, ""]
    ) -> Float[np.ndarray, "copies starts points 2"]:
        """Points every `RECORDED` steps, first those of the starts of scale 1 and then those of
        scale 0.1."""
        starts = jnp.asarray([start for group in STARTS.values() for start in group])
        scales = jnp.asarray([scale for scale, group in STARTS.items() for _ in group])
        shifts = NEARBY * jr.normal(jr.fold_in(key, 0), (self.copies, *starts.shape))
        starts = (starts[None] + shifts.at[0].set(0)).reshape(-1, 2)
        scales, keys = jnp.tile(scales, self.copies), jr.split(key, len(starts))
        paths = descend(traced(method), starts, scales, keys, self.steps // RECORDED)
        return np.asarray(paths).reshape(self.copies, -1, *paths.shape[1:])

    def _at_scale(self, paths: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
        """The paths at one scale, as long as they are at that scale; "copies starts points 2"."""
        first = 0 if scale == 1.0 else len(STARTS[1.0])
        starts = slice(first, first + len(STARTS[scale]))
        points = min(STEPS[scale], self.steps) // RECORDED + 1
        return {name: path[:, starts, :points] for name, path in paths.items()}

    def _rows(
        self, at_scale: dict[float, dict[str, np.ndarray]], scale: float, name: str
    ) -> list[dict[str, Any]]:
        rows, ends = [], at_scale[scale][name][:, :, -1]
        references = REFERENCE.get(name, {}).get(scale, (None,) * len(STARTS[scale]))
        for number, (start, reference) in enumerate(zip(STARTS[scale], references, strict=True)):
            of_copies = ends[:, number]
            row: dict[str, Any] = {"scale": scale, "method": name, "start": list(start)}
            row["end"] = of_copies[0].tolist()
            row |= {"least": of_copies.min(axis=0).tolist(), "most": of_copies.max(axis=0).tolist()}
            row["losses"] = np.asarray(objectives(jnp.asarray(of_copies[0]), scale)).tolist()
            if reference is not None:
                point = reference if isinstance(reference, tuple) else (reference, None)
                row |= {"reference": list(point), "source": SOURCE}
                row["agrees"] = agrees(of_copies, point)
            rows.append(row)
        return rows


def drawn(paths: Float[np.ndarray, "copies starts points 2"]) -> dict[str, Any]:
    """What a figure shows of a method's paths, rounded: some points of the first copy, "starts 2
    points", and the ends of the others."""
    length = paths.shape[2]
    points = np.linspace(0, length - 1, min(length, DRAWN)).round().astype(int)
    path, ends = paths[0][:, points].swapaxes(1, 2), paths[1:, :, -1]
    return {"paths": path.round(3).tolist(), "ends_of_copies": ends.round(3).tolist()}


def methods() -> dict[str, AbstractMethod]:
    """The methods that are compared, by name; FAMO as in its program for this problem."""
    loss = weighed
    return {
        "Mean": Mean(loss),
        "MGDA": MGDA(loss),
        "PCGrad": PCGrad(loss),
        "CAGrad (c = 0.4)": CAGrad(loss, 0.4),
        "CAGrad (c = 0.5)": CAGrad(loss, 0.5),
        "IMTL-G": IMTLG(loss),
        "Nash-MTL": NashMTL(loss),
        "UPGrad": UPGrad(loss),
        "FAMO": FAMO(loss, num_tasks=2, lr=0.025, decay=0.0),
    }


# The problem


def objectives(at: Float[Array, "2"], scale: Any) -> Float[Array, "2"]:
    """Both losses at a point, the first of them times `scale`.

    >>> import jax.numpy as jnp
    >>> [round(float(loss), 2) for loss in objectives(jnp.array([0.0, -8.3552]), 1.0)]
    [-15.09, -15.09]
    """
    x, y = at
    # Clipped values pass the gradient on at the border, as PyTorch's do: a start on the border is
    # not stuck there.
    upper, lower = (jnp.where(t >= 0, t, 0) for t in (jnp.tanh(y / 2), jnp.tanh(-y / 2)))
    first = _log(jnp.abs((-x - 7) / 2 - jnp.tanh(-y))) + 6
    second = _log(jnp.abs((-x + 3) / 2 + jnp.tanh(-y) + 2)) + 6
    bowls = [((-x + side) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20 for side in (7, -7)]
    both = jnp.stack([upper * first + lower * bowls[0], upper * second + lower * bowls[1]])
    return both * jnp.stack([jnp.asarray(scale, both.dtype), jnp.ones((), both.dtype)])


def _log(value: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.log(jnp.where(value >= 5e-6, value, 5e-6))


class Point(eqx.Module):
    """The model: a point in the plane."""

    at: Float[Array, "2"]


def weighed(predictor: Predictor, batch: Batch) -> Float[Array, ""]:
    """The objective that a batch names: its one target is the weight of each objective, its one
    input the scale."""
    scale = batch.x[0, 0]
    # Measured from below the minima, as in FAMO's program. No gradient depends on it.
    least = -21 * jnp.stack([scale, jnp.ones_like(scale)])
    return (batch.y[0] * (objectives(predictor.at, scale) - least)).sum()


def both_tasks(scale: Float[Array, ""]) -> Task:
    """The two objectives as two tasks of two points."""
    one = jnp.ones((2, 1), scale.dtype)
    batch = Batch(scale * one[:, :, None], jnp.eye(2, dtype=scale.dtype)[:, None], one)
    return Task(batch, batch, jnp.arange(2), jnp.zeros((2, 0), scale.dtype))


@eqx.filter_jit
def descend(
    method: AbstractMethod,
    starts: Float[Array, "starts 2"],
    scales: Float[Array, "starts"],
    keys: Key[Array, "starts"],
    length: int,
) -> Float[Array, "starts points 2"]:
    """The paths of Adam by a method's gradient from all starts: the start and `length` points,
    `RECORDED` steps apart."""
    optimiser = optax.adam(RATE)

    def from_one(start: Array, scale: Array, key: Key[Array, ""]) -> Float[Array, "points 2"]:
        tasks, model = both_tasks(scale), Point(start)

        def step(number: Any, carry: Any) -> Any:
            model, adam, state = carry
            grads, state, _ = method.gradient(model, tasks, state, key=jr.fold_in(key, number))
            model, adam = updated(optimiser, grads, adam, model)
            return model, adam, state

        def stretch(carry: Any, number: Array) -> tuple[Any, Array]:
            carry = jax.lax.fori_loop(number * RECORDED, (number + 1) * RECORDED, step, carry)
            return carry, carry[0].at

        carry = (model, optimiser.init(trainable(model)[0]), method.init(model))
        path = jax.lax.scan(stretch, carry, jnp.arange(length))[1]
        return jnp.concatenate([start[None], path])

    return jax.vmap(from_one)(starts, scales, keys)


def contours(scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and the mean of both losses on a grid."""
    x, y = np.linspace(-11, 11, 221), np.linspace(-11, 11, 221)
    at = jnp.stack(jnp.meshgrid(jnp.asarray(x), jnp.asarray(y)), axis=-1)
    values = jax.jit(jax.vmap(jax.vmap(lambda point: objectives(point, scale).mean())))(at)
    return x, y, np.asarray(values)


def agrees(ends: Float[np.ndarray, "copies 2"], reference: tuple[float, float | None]) -> bool:
    """Whether the reference is within `AGREES` of where copies of a start end, or between them. A
    reference without y is on the front."""
    x, y = reference
    low, high = ends.min(axis=0) - AGREES, ends.max(axis=0) + AGREES
    on_front = ends[0, 1] < -8 if y is None else low[1] <= y <= high[1]
    return bool(low[0] <= x <= high[0] and on_front)
