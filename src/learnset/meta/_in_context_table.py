"""A trained table network, which learns a table in its own units."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from ..core import Batch, InputError, point_weight, Predictor, Related
from ..models import Scales, Siblings, TableReader, TableTransformer
from ..tasks import some_points

LEAST = 0.01  # the probability of a class that a regression on zeros and ones excludes
MOST_INPUTS, MOST_CLASSES = 100, 10
MOST_ROWS = 1000  # of a task that are read; time grows with their square


def too_large(inputs: int, classes: int = 0) -> str:
    """Why a table is out of range of a table network, in words; an empty text if it is not.

    >>> too_large(120)
    'it reads at most 100 inputs, and here are 120 (each word and each gap of a column is one)'
    """
    if inputs > MOST_INPUTS:
        return (
            f"it reads at most {MOST_INPUTS} inputs, and here are {inputs} (each word and each gap"
            " of a column is one)"
        )
    if classes > MOST_CLASSES:
        return f"it tells at most {MOST_CLASSES} classes apart, and here are {classes}"
    return ""


class InContextTable(eqx.Module):
    """In-context learning of tables: a table network with the scales of a table, and with what it
    has read of related tasks, if any. A task is learnt by `adapt(support)`, in one forward pass.

    Each target is read as a table of its own. With `classes` targets are one-hot, and the network,
    which was trained on regression, predicts these zeros and ones; its predictors give the
    logarithms of what it predicts, or of 0.01 where that is more.

    An input that is no finite number counts as the mean of its column. Of a task with more than
    1000 rows as many are read, drawn at random, the same each time. Siblings may be the known
    tasks: `for_task` is then what one of them reads, all but itself.

    **Arguments:** `related`: the network that reads siblings, and tasks that have them; default:
    `network`.

    **Raises:** `InputError` for more than 100 inputs or 10 classes.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> x = jnp.linspace(-1, 1, 20)[:, None]
    >>> network = ls.models.TableTransformer(width=8, depth=1, key=jr.key(0))  # not trained
    >>> predictor = ls.meta.InContextTable(network).adapt(ls.Batch(x, 100 + 10 * x))
    >>> predictor(jnp.array([0.5])).round()  # nothing is known but the mean
    Array([100.], dtype=float32)
    """

    network: TableTransformer
    scales: Scales | None = None
    siblings: Siblings | None = None  # "targets ..."
    classes: bool = eqx.field(static=True, default=False)
    numbers: Int[Array, "siblings"] | None = None
    own: Int[Array, ""] | None = None
    related: TableTransformer | None = None

    @eqx.filter_jit
    def with_siblings(
        self, siblings: Batch, numbers: Int[Array, "siblings"] | None = None
    ) -> "InContextTable":
        """The same after reading related tasks, once for all new tasks. Scales are theirs.

        **Arguments:** `siblings`: "siblings points". `numbers`: of these among known tasks, for
        `for_task`.
        """
        return self._with(siblings, Scales.of(siblings), numbers)

    def _with(self, siblings: Batch, scales: Scales, numbers: Array | None) -> "InContextTable":
        self._check(siblings)
        network = self.network if self.related is None else self.related
        read = _of_targets(network.read, siblings, scales).in_half_precision()
        own = None if numbers is None else jnp.asarray(-1)
        return InContextTable(network, scales, read, self.classes, numbers, own)

    def alone(self) -> "InContextTable":
        """The same for tasks that have no siblings."""
        return InContextTable(self.network, classes=self.classes)

    def for_task(self, index: Int[Array, ""]) -> "InContextTable":
        """For a known task, which is not among its siblings; -1 is another one."""
        if self.numbers is None:
            return self
        return eqx.tree_at(lambda table: table.own, self, jnp.asarray(index))

    @property
    def told(self) -> Siblings | None:
        """The siblings without the task itself."""
        if self.siblings is None or self.numbers is None:
            return self.siblings
        return jax.vmap(lambda read: read.of(self.numbers != self.own))(self.siblings)

    def _check(self, rows: Batch) -> None:
        if why := too_large(rows.x.shape[-1], rows.y.shape[-1] if self.classes else 0):
            raise InputError(f"The table network is out of its range: {why}.")

    @eqx.filter_jit
    def adapt(self, support: Batch) -> Predictor:
        """The predictor of a task; of a `Related` support set, with its siblings."""
        return self.condition(support)

    def condition(self, support: Batch) -> "InUnits":
        """`adapt`, for programs that are compiled as a whole."""
        self._check(support)
        own, table = Batch(support.x, support.y, support.weight), self
        if len(own.x) > MOST_ROWS:
            own = some_points(own, MOST_ROWS, key=jr.key(0))
        if isinstance(support, Related) and len(support.siblings.x):
            pair = (Scales.of(rows) for rows in (support.siblings, own))
            known = (support.siblings.weight > 0).any()
            scales = jax.tree.map(lambda theirs, ours: jnp.where(known, theirs, ours), *pair)
            table = self._with(support.siblings, scales, None)
        elif self.scales is None:
            table = InContextTable(self.network, Scales.of(own), None, self.classes)
        return InUnits(table, own)


class InUnits(eqx.Module):
    """The predictor of an `InContextTable`, in units of the targets. It keeps the rows of its task,
    which it reads in each program that calls it, once for all queries."""

    table: InContextTable  # with scales
    support: Batch

    @eqx.filter_jit
    def together(
        self, xs: Float[Array, "points in"], weight: Float[Array, "points"]
    ) -> Float[Array, "points targets"]:
        """Predictions for many rows: the rows of the task are read once for all of them. Inside
        `jax.vmap` tasks are answered one after the other, which saves memory."""
        del weight
        return _answers(self, xs)

    def without_rows(self) -> "InUnits":
        """What is predicted of a task of which nothing is known."""
        few = jax.tree.map(lambda leaf: leaf[:1], self.support)
        nobody = eqx.tree_at(lambda s: s.weight, few, replace_fn=jnp.zeros_like)
        if self.table.siblings is None:  # its scales are those of its rows
            return InContextTable(self.table.network, classes=self.table.classes).condition(nobody)
        return InUnits(self.table.for_task(jnp.asarray(-1)), nobody)

    def gaussian(
        self, x: Float[Array, "in"]
    ) -> tuple[Float[Array, "targets"], Float[Array, "targets"]]:
        """Mean and standard deviation of the prediction."""
        network, scales, siblings = self.table.network, self.table.scales, self.table.told
        assert scales is not None  # `condition` has taken them

        def one(rows: Batch, siblings: Siblings | None) -> tuple[Array, Array]:
            reader: TableReader = network.condition(rows, siblings)
            mean, std = reader.gaussian(scales.inputs(x))
            return mean[0], std[0]

        mean, std = _of_targets(one, self.support, scales, siblings)
        return scales.units(mean), std * scales.y[1]

    def probabilities(self, x: Float[Array, "in"]) -> Float[Array, "classes"]:
        """What is predicted of each class, at least 0.01, over the sum of all."""
        chances = jnp.maximum(self.gaussian(x)[0], LEAST)
        return chances / chances.sum()

    def quantiles(
        self, x: Float[Array, "in"], levels: Float[Array, "levels"]
    ) -> Float[Array, "levels targets"]:
        """Quantiles of the prediction."""
        mean, std = self.gaussian(x)
        return mean[None] + jax.scipy.stats.norm.ppf(levels)[:, None] * std[None]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "targets"]:
        mean, _ = self.gaussian(x)
        return jnp.log(jnp.maximum(mean, LEAST)) if self.table.classes else mean


@jax.custom_batching.sequential_vmap
def _answers(predictor: InUnits, xs: Float[Array, "points in"]) -> Float[Array, "points targets"]:
    return jax.vmap(predictor)(xs)


def _of_targets(function: Any, rows: Batch, scales: Scales, *read: Any) -> Any:
    """A function of scaled rows for each of their targets."""
    x, y = scales.inputs(rows.x), scales.targets(rows.y)
    weight = jnp.broadcast_to(point_weight(rows), y.shape)

    def one(y: Array, weight: Array, *read: Any) -> Any:
        return function(Batch(x, y[..., None], weight[..., None]), *read)

    axes = (-1, -1, *(None if part is None else 0 for part in read))
    return jax.vmap(one, in_axes=axes)(y, weight, *read)
