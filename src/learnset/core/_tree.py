"""Parameters as PyTrees: which of them move, their inner products, task gradients as one matrix."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, PyTree

from ._errors import InputError

Where = Callable[[Any], Any]  # picks a part of a model, as in `equinox.tree_at`


def whole(model: Any) -> Any:
    """The whole model: the `where` of methods that move everything."""
    return model


def head(model: Any) -> Any:
    """The last layer, `model.head`: the `where` of ANIL and of a fine-tuned head.

    **Raises:** `InputError` for a model without one.
    """
    if not hasattr(model, "head"):
        raise InputError(
            f"{type(model).__name__} has no `head`, but this method moves or replaces only the"
            " head. Give the model a `head` (its last layer) and a method `features(x)`, as"
            " `learnset.MLP` has, or choose a method that moves everything."
        )
    return model.head


def head_size(model: Any) -> int:
    """The number of features that the head of a model takes; its weights have the axes "in out",
    but for the linear layer of Equinox.

    >>> import equinox as eqx, jax.random as jr, learnset as ls
    >>> model = ls.MLP(3, 2, width=8, key=jr.key(0))
    >>> custom = eqx.tree_at(lambda m: m.head, model, eqx.nn.Linear(8, 2, key=jr.key(1)))
    >>> head_size(model), head_size(custom)
    (8, 8)
    """
    layer = head(model)
    return layer.weight.shape[1 if isinstance(layer, eqx.nn.Linear) else 0]


def trainable(model: Any, where: Where = whole) -> tuple[PyTree, PyTree]:
    """Splits a model into the part that moves, the floating-point arrays inside `where(model)`, and
    the rest. Statistics that a layer has stored (in a field `settled`) are no parameters, and never
    move.

    **Returns:** two PyTrees with the structure of the model, each with `None` for the leaves of the
    other; `equinox.combine` joins them.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(model)
    # `where` sees shapes, which are told apart by identity: it may pick several parts of the model,
    # or parts without leaves.
    shapes = [
        jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if eqx.is_array(leaf) else object()
        for _, leaf in leaves
    ]
    chosen = {id(shape) for shape in jax.tree.leaves(where(jax.tree.unflatten(structure, shapes)))}
    moves = [
        id(shape) in chosen
        and eqx.is_inexact_array(leaf)
        and not any(getattr(key, "name", "") == "settled" for key in keys)
        for shape, (keys, leaf) in zip(shapes, leaves, strict=True)
    ]
    return eqx.partition(model, jax.tree.unflatten(structure, moves))


def at(tree: PyTree, place: Any) -> PyTree:
    """An entry of all arrays; those on the host stay there. Nothing is compiled.

    >>> at({"x": jnp.arange(3), "name": "a"}, 1)["x"].item()
    1
    """

    def of_leaf(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return leaf[place]
        return jax.device_put(np.asarray(leaf)[place]) if eqx.is_array(leaf) else leaf

    return jax.tree.map(of_leaf, tree)


def stack(trees: Sequence[PyTree]) -> PyTree:
    """Stacks PyTrees of one structure: arrays and Python floats get a new leading axis.

    **Raises:** `InputError` if the trees differ in anything else.

    >>> stack([{"lr": 0.1}, {"lr": 0.2}])["lr"].shape
    (2,)
    """
    leaves, structures = zip(*(jax.tree.flatten(traced(tree)) for tree in trees), strict=True)
    if any(structure != structures[0] for structure in structures):
        raise InputError(
            "These objects cannot be stacked: they differ in more than numbers. Give them the same"
            " structure."
        )
    return jax.tree.unflatten(
        structures[0], [_stack_leaf(group) for group in zip(*leaves, strict=True)]
    )


def _stack_leaf(group: tuple[Any, ...]) -> Any:
    if eqx.is_array(group[0]):
        return jnp.stack(group)
    for leaf in group:
        if leaf != group[0]:
            raise InputError(
                f"These objects cannot be stacked: {group[0]!r} and {leaf!r} differ, but only"
                " arrays and floats may."
            )
    return group[0]


def traced(tree: PyTree) -> PyTree:
    """The tree with Python floats as (weakly typed) arrays: a new `inner_lr` then compiles nothing
    anew."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, tree)


def updated(
    optimiser: optax.GradientTransformation,
    grads: PyTree,
    state: PyTree,
    params: PyTree,
    value: Float[Array, ""] | None = None,
) -> tuple[Any, Any]:
    """Parameters after one step of an optimiser, and the optimiser's new state.

    **Arguments:** `value`: the loss, for optimisers that read it, such as
    `optax.contrib.reduce_on_plateau`.

    **Raises:** `InputError` for an optimiser that needs more than one loss and one gradient.
    """
    reads = isinstance(optimiser, optax.GradientTransformationExtraArgs) and value is not None
    update: Any = functools.partial(optimiser.update, **({"value": value} if reads else {}))
    # Optax's Adam raises a float to an integer power, which strict promotion (if the user chose it)
    # forbids.
    with jax.numpy_dtype_promotion("standard"):
        try:
            updates, state = update(grads, state, params)
        except TypeError as error:
            needed = re.search(r"keyword-only arguments?: (.*)", str(error))
            if needed is None:
                raise
            raise InputError(
                f"The optimiser needs {needed[1]} at each step, but a step has one loss and one"
                " gradient. Choose an optimiser without a line search."
            ) from None
    return eqx.apply_updates(params, updates), state


def sparing(optimiser: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """An optimiser that leaves arrays alone which have never had a gradient: a frozen part of a
    model has no weight decay. All others are updated as before. (Adding -0.0 changes no bit.)"""
    reads = isinstance(optimiser, optax.GradientTransformationExtraArgs)

    def init(params: PyTree) -> PyTree:
        return optimiser.init(params), jax.tree.map(lambda _: jnp.zeros((), bool), params)

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        step: Any = functools.partial(optimiser.update, **(extra if reads else {}))
        updates, inside = step(grads, state[0], params)
        moves = jax.tree.map(lambda moved, grad: moved | (grad != 0).any(), state[1], grads)
        kept = jax.tree.map(
            lambda up, moved: jnp.where(moved, up, jnp.full_like(up, -0.0)), updates, moves
        )
        return kept, (inside, moves)

    taking_all: Any = update
    return optax.GradientTransformationExtraArgs(init, taking_all)


def inner(left: PyTree, right: PyTree) -> Float[Array, ""]:
    """Inner product of two trees of arrays."""
    return jnp.asarray(sum(jax.tree.leaves(jax.tree.map(jnp.vdot, left, right))))


def rows(tree: PyTree) -> Float[Array, "tasks params"]:
    """A tree with a leading `tasks` axis as a matrix: a row for each task, a column for each
    parameter."""
    return jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(tree)], axis=1)


def mix(weights: Float[Array, "tasks"], tree: PyTree) -> PyTree:
    """The weighted sum over the leading `tasks` axis of every leaf."""
    return jax.tree.map(lambda leaf: jnp.tensordot(weights, leaf, 1), tree)


def nbytes(tree: PyTree) -> int:
    """Bytes of all arrays in the tree."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf))


def all_finite(tree: PyTree) -> Bool[Array, ""]:
    """Whether every number in the tree's floating-point arrays is finite."""
    leaves = [
        jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree) if eqx.is_inexact_array(leaf)
    ]
    return jnp.stack(leaves).all() if leaves else jnp.asarray(True)


def describe(tree: PyTree) -> list[str]:
    """One line for each array of the tree, such as `.layers[0].weight float32(40, 1)`.

    A checkpoint is checked against these lines.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [
        f"{jax.tree_util.keystr(path)} {leaf.dtype}{tuple(leaf.shape)}"
        for path, leaf in leaves
        if eqx.is_array(leaf)
    ]
