"""A network that has learnt to learn tables, and reads related tables too."""

import functools
from importlib import resources
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    Batch,
    cross_entropy,
    gaussian_nll,
    Loss,
    mean_gradient,
    Metrics,
    Model,
    State,
    Task,
)
from ..models import KeptNetwork, load_network, TableTransformer
from ..tasks import Group
from ._cnp import Amortised
from ._in_context_table import InContextTable
from ._through import AbstractMetaLearner

ALONE, RELATED = "table_network.npz", "related_network.npz"


class TablePFN(AbstractMetaLearner):
    """Prior-fitted network (PFN) for tables: a transformer that was trained on tasks of a prior
    solves a new task in one forward pass, and its answer approaches the Bayes-optimal one under
    that prior.

    A support set that is a `Related` is read with its siblings. The predictor keeps keys and values
    of what it read, so that for a query nothing is read again. The model is a `TableTransformer`.

    Training takes tasks of any family. On `Groups` of related tasks every task of a group is one to
    be solved from its own support set and those of the others, which are read once. On `Bundle`s
    each step takes groups of several families, which may differ in all sizes.

    Source: Müller et al. 2022, *Transformers Can Do Bayesian Inference*, §3; related data sets as
    context are the idea of *Multi-Task Bayesian In-Context Learning*, arXiv 2606.20538.

    **Arguments:** `half`: blocks of the network compute in bfloat16 in training; their numbers stay
    in single precision.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.tasks.RelatedGaussian(shots=2).sample(ls.Split.TEST, key=jr.key(0))
    >>> model = ls.models.TableTransformer(width=8, depth=2, key=jr.key(1))
    >>> ls.meta.TablePFN().adapt(model, task.support)(task.query.x[0]).shape
    (1,)
    """

    loss: Loss = gaussian_nll
    half: bool = False

    @staticmethod
    def pretrained(*, classes: bool = False) -> InContextTable:
        """A trained network, which comes with the package: it learns a table in one forward pass,
        in its own units. One of the same form, which was trained further on related tasks, reads
        siblings. `pretrained_about()` says how they were made.

        **Arguments:** `classes`: whether targets are one-hot classes.

        >>> import jax.numpy as jnp, learnset as ls
        >>> x = jnp.linspace(-1, 1, 20)[:, None]
        >>> predictor = ls.TablePFN.pretrained().adapt(ls.Batch(x, 100 + 10 * x))
        >>> bool(abs(predictor(jnp.array([0.5]))[0] - 105) < 1)
        True
        """
        alone, related = (_kept(name).network for name in (ALONE, RELATED))
        return InContextTable(alone, classes=classes, related=related)

    @staticmethod
    def pretrained_about(*, related: bool = False) -> dict[str, Any]:
        """How the network of `pretrained` was made: its prior, seeds, steps, hardware and
        command.

        **Arguments:** `related`: whether that which reads siblings.
        """
        return dict(_kept(RELATED if related else ALONE).about)

    @property
    def adapter(self) -> Amortised:
        return Amortised()

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> TableTransformer:
        """A table transformer; its sizes depend on neither inputs nor targets."""
        del model
        return TableTransformer(classes=self.loss is cross_entropy, key=key)

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        if isinstance(tasks, tuple):
            loss, grads = jax.tree.map(
                lambda *parts: sum(parts) / len(parts),
                *(mean_gradient(self._of_group, model, part) for part in tasks),
            )
        elif isinstance(tasks, Group):
            loss, grads = mean_gradient(self._of_group, model, tasks)
        else:
            return super().gradient(model, tasks, state, key=key)
        return grads, state, {"loss": loss}

    def _of_group(self, model: TableTransformer, group: Any) -> Float[Array, ""]:
        """The mean loss over the tasks of a group."""
        if self.half:
            blocks = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), model.blocks)
            model = eqx.tree_at(lambda m: m.blocks, model, blocks)
        count = len(group.told)
        siblings = model.read(group.support) if count > 1 else None

        def one(own: Batch, query: Batch, number: Int[Array, ""]) -> Float[Array, ""]:
            others = group.told & (jnp.arange(count) != number)
            told = None if siblings is None else siblings.of(others)
            return self.loss(model.condition(own, told), query)

        return jax.vmap(one)(group.learnt_from(), group.query, jnp.arange(count)).mean()


@functools.cache
def _kept(name: str) -> KeptNetwork:
    """A network that comes with the package."""
    with resources.as_file(resources.files("learnset.meta") / name) as path:
        return load_network(path)
