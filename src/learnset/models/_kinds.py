"""Tasks of different kinds and sizes in one model."""

import enum
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, xlogy
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

from ..core import Batch, for_task, head, InputError, predict, present, weighted_mean


class Kind(enum.IntEnum):
    """The kind of a task's targets, by which its outputs are interpreted and scored.

    - `REGRESSION`: numbers; outputs are means.
    - `BINARY`: zeros and ones, one for each output; outputs are logits.
    - `CLASSES`: one class of several, one-hot; outputs are logits.
    - `COUNTS`: counts from zero up; outputs are logarithms of Poisson rates.
    """

    REGRESSION = 0
    BINARY = 1
    CLASSES = 2
    COUNTS = 3


class Kinds(eqx.Module):
    """A model of tasks of different kinds and sizes, for the loss `by_kind`.

    Inputs and targets are padded to the widest, and so is the model: `SharedBody` with heads of the
    widest output, say. The view of a task ignores inputs beyond the size of the task, and `by_kind`
    ignores such outputs. `padded_tasks` pads arrays.

    A task outside the set (index -1) counts as a regression on all inputs and outputs.

    **Arguments:**

    - `model`: gives a view of each task, or is one for all.
    - `kinds`, `in_sizes`, `out_sizes`: of each task.

    **Raises:** `InputError` for sequences of different lengths.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> net = ls.SharedBody(ls.MLP(3, 5, key=jr.key(0)), num_tasks=2, key=jr.key(1))
    >>> kinds = [ls.models.Kind.REGRESSION, ls.models.Kind.CLASSES]
    >>> model = ls.models.Kinds(net, kinds, in_sizes=[3, 2], out_sizes=[1, 5])
    >>> batch = ls.Batch(jnp.zeros((5, 3)), jnp.eye(5))
    >>> bool(ls.models.by_kind(model.for_task(jnp.asarray(1)), batch) > 0)
    True
    """

    model: Any
    kinds: Int[Array, "tasks"]
    in_sizes: Int[Array, "tasks"]
    out_sizes: Int[Array, "tasks"]

    def __init__(
        self,
        model: Any,
        kinds: Sequence[Kind],
        *,
        in_sizes: Sequence[int],
        out_sizes: Sequence[int],
    ):
        if not len(kinds) == len(in_sizes) == len(out_sizes):
            lengths = f"{len(kinds)}, {len(in_sizes)} and {len(out_sizes)}"
            raise InputError(
                f"Kinds: `kinds`, `in_sizes` and `out_sizes` have {lengths} entries, but need one"
                " for each task."
            )
        self.model = model
        self.kinds, self.in_sizes, self.out_sizes = (
            jnp.asarray(np.asarray(numbers, np.int32)) for numbers in (kinds, in_sizes, out_sizes)
        )

    @property
    def own(self) -> PyTree[Float[Array, "tasks ..."]]:
        """The parts of single tasks in the model."""
        return self.model.own

    def for_task(self, index: Int[Array, ""]) -> "OfKind":
        def of(numbers: Int[Array, "tasks"], otherwise: int) -> Int[Array, ""]:
            return jnp.where(index < 0, otherwise, numbers[index])

        widest = np.iinfo(np.int32).max
        sizes = of(self.in_sizes, widest), of(self.out_sizes, widest)
        return OfKind(for_task(self.model, index), of(self.kinds, Kind.REGRESSION), *sizes)


class OfKind(eqx.Module):
    """The predictor for one task of `Kinds`, with the kind and sizes of the task."""

    model: Any
    kind: Int[Array, ""]
    in_size: Int[Array, ""]
    out_size: Int[Array, ""]

    @property
    def head(self) -> Any:
        return head(self.model)

    def features(self, x: Float[Array, "*in"]) -> Float[Array, "features"]:
        """The input of the head."""
        return self.model.features(self._without_padding(x))

    def __call__(self, x: Float[Array, "*in"]) -> Float[Array, "out"]:
        return self.model(self._without_padding(x))

    def _without_padding(self, x: Float[Array, "*in"]) -> Float[Array, "*in"]:
        return jnp.where(jnp.arange(x.shape[-1]) < self.in_size, x, 0) if x.ndim == 1 else x


def from_features(view: Any) -> Any:
    """The part of a view that takes features: its head, with the kind of the view."""
    if not isinstance(view, OfKind):
        return head(view)
    widest = jnp.asarray(np.iinfo(np.int32).max)
    return OfKind(from_features(view.model), view.kind, widest, view.out_size)


def by_kind(predictor: OfKind, batch: Batch) -> Float[Array, ""]:
    """The loss of a task of `Kinds`: mean squared error for a regression, otherwise the mean
    negative log-likelihood in nats, per output (binary, counts) or per point (classes). Absent
    labels, and outputs beyond the size of the task, do not count.

    **Returns:** a scalar.

    **Raises:** `InputError` for a predictor without a kind, and if predictions and targets differ
    in shape.

    >>> import jax.numpy as jnp, learnset as ls
    >>> counts = [ls.models.Kind.COUNTS]
    >>> model = ls.models.Kinds(lambda x: jnp.zeros(4), counts, in_sizes=[1], out_sizes=[2])
    >>> batch = ls.Batch(jnp.zeros((3, 1)), jnp.ones((3, 4)))
    >>> float(ls.models.by_kind(model.for_task(jnp.asarray(0)), batch))  # rate and count of one
    1.0
    """
    outputs, y, in_task, weight, of_point = _read(predictor, batch)

    def for_kind(kind: Kind, replacement: float = 0.0) -> tuple[Array, Array]:
        # Numbers that are meant for another kind may overflow, as exp(1000): they must not reach
        # the gradient.
        of_kind = in_task & (predictor.kind == kind)
        return jnp.where(of_kind, outputs, replacement), jnp.where(of_kind, y, 0)

    mean, target = for_kind(Kind.REGRESSION)
    logit, label = for_kind(Kind.BINARY)
    log_rate, count = for_kind(Kind.COUNTS)
    logits, classes = for_kind(Kind.CLASSES, ABSENT)
    each = {
        Kind.REGRESSION: (mean - target) ** 2,
        Kind.BINARY: jax.nn.softplus(logit) - label * logit,
        Kind.COUNTS: jnp.exp(log_rate) - count * log_rate + gammaln(count + 1),
    }
    of_classes = -(classes * jax.nn.log_softmax(logits)).sum(axis=1)
    return _by_kind(predictor.kind, each, of_classes, weight, of_point)


def error_by_kind(predictor: OfKind, batch: Batch) -> Float[Array, ""]:
    """The error of a task of `Kinds`: mean squared error for a regression, the fraction of wrong
    labels (binary) or points (classes), and the mean Poisson deviance for counts, which is zero for
    perfect predictions.

    **Returns:** a scalar.

    **Raises:** `InputError` as `by_kind`.

    >>> import jax.numpy as jnp, learnset as ls
    >>> binary = [ls.models.Kind.BINARY]
    >>> model = ls.models.Kinds(lambda x: jnp.ones(4), binary, in_sizes=[1], out_sizes=[2])
    >>> batch = ls.Batch(jnp.zeros((3, 1)), jnp.ones((3, 4)))
    >>> float(ls.models.error_by_kind(model.for_task(jnp.asarray(0)), batch))
    0.0
    """
    outputs, y, in_task, weight, of_point = _read(predictor, batch)
    y = jnp.where(in_task, y, 0)
    log_rate, count = (jnp.where(predictor.kind == Kind.COUNTS, part, 0) for part in (outputs, y))
    wrong = jnp.where(in_task, outputs, ABSENT).argmax(axis=1) != y.argmax(axis=1)
    each = {
        Kind.REGRESSION: (outputs - y) ** 2,
        Kind.BINARY: ((outputs > 0) != (y > 0.5)).astype(outputs.dtype),
        Kind.COUNTS: 2 * (xlogy(count, count) - count * log_rate - count + jnp.exp(log_rate)),
    }
    return _by_kind(predictor.kind, each, wrong.astype(outputs.dtype), weight, of_point)


ABSENT = -1e9  # the logit of an absent class


def _read(
    predictor: OfKind, batch: Batch
) -> tuple[
    Float[Array, "points out"],
    Float[Array, "points out"],
    Bool[Array, "1 out"],
    Float[Array, "points out"],
    Float[Array, "points"],
]:
    """Outputs, targets without NaN, which outputs the task has, and the weights of labels and of
    points."""
    if not isinstance(predictor, OfKind):
        raise InputError(
            f"by_kind: {type(predictor).__name__} has no kind. Wrap the model in `Kinds`."
        )
    outputs = predict(predictor, batch.x, batch.weight)
    if outputs.shape != batch.y.shape or outputs.ndim != 2:
        raise InputError(
            f"by_kind: predictions have shape {outputs.shape} and targets {batch.y.shape}. Pad both"
            " to (points, widest output)."
        )
    in_task = (jnp.arange(outputs.shape[1]) < predictor.out_size)[None]
    weight = jnp.broadcast_to(batch.weight.reshape(len(batch.weight), -1), outputs.shape)
    weight = jnp.where(in_task, weight, 0)
    return outputs, present(batch.y, weight), in_task, weight, weight.max(axis=1)


def _by_kind(
    kind: Int[Array, ""],
    each: dict[Kind, Float[Array, "points out"]],
    of_classes: Float[Array, "points"],
    weight: Float[Array, "points out"],
    of_point: Shaped[Array, "points"],
) -> Float[Array, ""]:
    of_labels = jnp.select([kind == k for k in each], list(each.values()), 0)
    return jnp.where(
        kind == Kind.CLASSES, weighted_mean(of_classes, of_point), weighted_mean(of_labels, weight)
    )
