"""A network that has learnt to learn tables goes on learning on the known tasks of a table."""

from typing import Any

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Key

from ..core import trainable
from ..meta import TablePFN
from ..models import TableTransformer
from ..tasks import PoolGroups
from ..transfer import L2SP


class Further(TablePFN):
    """Goes on from a network that has been trained."""

    start: TableTransformer = eqx.field(kw_only=True)

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> TableTransformer:
        del model, key
        return self.start


class PulledBack(eqx.Module):
    """Adam that is pulled back to the start by L2-SP after each step."""

    start: TableTransformer
    penalty: L2SP

    def __call__(self, lr: Any) -> optax.GradientTransformation:
        start = trainable(self.start)[0]

        def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            moved = jax.tree.map(lambda old, by: old + by, params, updates)
            pulled = self.penalty.pulled(moved, start, lr)
            return jax.tree.map(lambda new, old: new - old, pulled, params), state

        pull = optax.GradientTransformation(lambda params: optax.EmptyState(), update)
        return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(lr), pull)


def groups_of(past: Any, key: Key[Array, ""]) -> PoolGroups:
    """The known tasks in groups."""
    del key
    return PoolGroups.of(past)
