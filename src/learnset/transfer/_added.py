"""Fine-tuning of a few parameters that are added to a model, which itself stands still."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jax.tree_util import keystr, tree_leaves_with_path
from jaxtyping import Array, Key, Shaped

from ..core import Batch, check_positive, InputError, Model, Predictor, settled, trainable, Where
from ..models import (
    AbstractPart,
    BottleneckPart,
    Change,
    lengths,
    LowRankPart,
    NewPart,
    part_at,
    ScaledPart,
    Use,
    uses,
)
from ._fine_tune import FineTune


def its_head(model: Any) -> Any:
    """The head of a model, if it has one."""
    return getattr(model, "head", ())


class AbstractAdded(FineTune):
    """Fine-tuning of a change of the model (`learnset.models.Change`); the model itself stands
    still. `adapt` merges the change; `learn` returns it, to be kept and served.

    **Arguments:** as for `FineTune`; of `where` the matrix products change. And

    - `also`: the part that moves as in plain fine-tuning; default: the head, if there is one.
    - `seed`: of the initial values.

    **Raises:** `InputError` for a model without a matrix product in `where`.
    """

    also: Where = eqx.field(static=True, default=its_head)
    seed: int = 0

    def __check_init__(self):
        if self.pace is not None or self.penalty is not None:
            raise InputError(
                f"{type(self).__name__} takes no `pace` and no `penalty`: the model stands still."
            )

    @abc.abstractmethod
    def part(self, model: Model, use: Use, key: Key[Array, ""]) -> tuple[str, AbstractPart]:
        """The change of one matrix product before any step, and the path of what it changes."""

    def start(self, model: Model, x: Shaped[Array, "*in"]) -> Change:
        """The change before any step, with which the model answers as it is."""
        inside, heads = (_paths(model, where) for where in (self.where, self.also))
        found = [
            use
            for use in uses(model, x)
            if use.product and use.path in inside.keys() - heads.keys()
        ]
        if not found and not heads:
            raise InputError(
                f"{type(self).__name__}: {type(model).__name__} has no matrix product in `where`."
            )
        keys = jr.split(jr.key(self.seed), max(1, len(found)))
        parts = dict(self.part(model, use, key) for use, key in zip(found, keys, strict=True))
        return Change(parts | {path: NewPart(array) for path, array in heads.items()})

    def learn(self, model: Model, support: Batch) -> Change:
        """The change that the support set teaches."""
        return self._descent(model).adapt(self.start(model, support.x[0]), support)

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        start, step, finish = self._descent(model).plan(self.start(model, support.x[0]), support)
        return start, step, lambda carry: settled(finish(carry).merged(model), support)

    def _descent(self, model: Model) -> FineTune:
        def loss(change: Change, batch: Batch) -> Any:
            return self.loss(change.merged(model), batch)

        options = {"optimiser": self.optimiser, "unroll": self.unroll, "batch": self.batch}
        return FineTune(loss, self.lr, self.steps, **options)


class LoRA(AbstractAdded):
    """LoRA: a matrix of low rank is added to each weight matrix and each kernel.

    **Arguments:** as for `AbstractAdded`, and

    - `rank`: of the matrices, at most that of the weights.
    - `alpha`: the added matrix is scaled by `alpha / rank`, or with `root` by `alpha / sqrt(rank)`
      (rsLoRA).
    - `dora`: whether the lengths of the weights of each output are learnt, too, and the added
      matrix changes their directions alone.

    Source: Hu et al. 2022, *LoRA*, §4.1; `root`: Kalajdzievski 2023, *A Rank Stabilization Scaling
    Factor for Fine-Tuning with LoRA*; `dora`: Liu et al. 2024, *DoRA*, eq. 5 and §4.3.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> predictor = ls.transfer.LoRA(ls.mse, 0.01, steps=20).adapt(model, task.support)
    >>> bool(ls.mse(predictor, task.support) < ls.mse(model, task.support))
    True
    """

    rank: int = 4
    alpha: float = eqx.field(static=True, default=4.0)
    root: bool = False
    dora: bool = False

    def __check_init__(self):
        check_positive("LoRA", rank=self.rank, alpha=self.alpha)

    def part(self, model: Model, use: Use, key: Key[Array, ""]) -> tuple[str, AbstractPart]:
        weight = part_at(model, use.keys)
        rows, columns = _matrix(weight.shape)
        rank = min(self.rank, rows, columns)
        last = use.outputs != (0,)  # whether the outputs are among the columns
        drawn = (rows, rank) if last else (rank, columns)
        bound = (rows if last else columns) ** -0.5
        random = jr.uniform(key, drawn, weight.dtype, -bound, bound)
        zero = jnp.zeros((rank, columns) if last else (rows, rank), weight.dtype)
        left, right = (random, zero) if last else (zero, random)
        scale = self.alpha / (rank**0.5 if self.root else rank)
        if self.dora and not use.outputs:
            raise InputError(f"LoRA: `dora` needs the outputs of {use.path}, which are not known.")
        length = lengths(weight, use.outputs) if self.dora else None
        return use.path, LowRankPart(left, right, length, scale, use.outputs)


class IA3(AbstractAdded):
    """(IA)³: the outputs of each matrix product are scaled by learnt factors, which begin as one.

    Source: Liu et al. 2022, *Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than
    In-Context Learning*, §3.3. Different from there: every product, not keys, values and hidden
    units alone; `where` selects them.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> change = ls.transfer.IA3(ls.mse).learn(ls.MLP(1, 1, width=40, key=jr.key(1)), task.support)
    >>> change.parts[".layers[0].weight"].factor.shape
    (1, 40)
    """

    def part(self, model: Model, use: Use, key: Key[Array, ""]) -> tuple[str, AbstractPart]:
        del key
        if not use.outputs:
            raise InputError(
                f"IA3: the outputs of {use.path} are not known. Leave it out of `where`."
            )
        weight = part_at(model, use.keys)
        shape = [size if axis in use.outputs else 1 for axis, size in enumerate(weight.shape)]
        return use.path, ScaledPart(jnp.ones(shape, weight.dtype))


class BottleneckAdapter(AbstractAdded):
    """Bottleneck adapters: a small network with a shortcut after each layer that is a matrix
    product.

    **Arguments:** as for `AbstractAdded`, and `size`: of the bottleneck.

    **Raises:** `InputError` for weights that do not lie in a layer that can be called.

    Source: Houlsby et al. 2019, *Parameter-Efficient Transfer Learning for NLP*, §2.1. Different
    from there: after each layer, not two in each block of a transformer; `where` selects them.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> predictor = ls.transfer.BottleneckAdapter(ls.mse, steps=20).adapt(model, task.support)
    >>> bool(ls.mse(predictor, task.support) < ls.mse(model, task.support))
    True
    """

    size: int = 8

    def __check_init__(self):
        check_positive("BottleneckAdapter", size=self.size)

    def part(self, model: Model, use: Use, key: Key[Array, ""]) -> tuple[str, AbstractPart]:
        layer = part_at(model, use.keys[:-1])
        if not use.keys[:-1] or not callable(layer) or len(use.outputs) != 1:
            raise InputError(
                f"BottleneckAdapter: {use.path} lies in no layer that can be called on its input."
                " Leave it out of `where`, or use LoRA."
            )
        weight = part_at(model, use.keys)
        outputs = weight.shape[use.outputs[0]]
        bound = outputs**-0.5
        down = jr.uniform(key, (outputs, self.size), weight.dtype, -bound, bound)
        up = jnp.zeros((self.size, outputs), weight.dtype)
        axis = 0 if isinstance(layer, eqx.nn.Conv) else -1
        return keystr(use.keys[:-1]), BottleneckPart(down, up, axis)


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """An array as a matrix: split after its first axis or before its last, where that leaves the
    longer short side."""
    size = 1
    for side in shape:
        size *= side
    splits = ((shape[0], size // shape[0]), (size // shape[-1], shape[-1]))
    return max(splits, key=min)


def _paths(model: Any, where: Where) -> dict[str, Array]:
    moving = trainable(model, where)[0]
    return {keystr(keys): leaf for keys, leaf in tree_leaves_with_path(moving)}
