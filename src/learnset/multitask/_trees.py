"""Trees as models: arrays of nodes, which are evaluated in a compiled program."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

MOST_CATEGORIES = 255  # of one input, in scikit-learn


class Trees(eqx.Module):
    """A sum of decision trees, such as a gradient boosting or a random forest that another library
    has fitted: `of_boosting` and `of_forest` take those of scikit-learn. Its predictions are those
    of the library.

    A node without a left child is a leaf. At any other node an input that is missing (NaN) goes
    where `missing_left` says, and a number goes left if it is not above the threshold; a category
    goes left if its bit is set in `words`. Nodes and trees of zeros pad the arrays and add nothing.

    - `base`: what the trees add to. `count`: how many trees there are.

    >>> import jax.numpy as jnp, numpy as np, learnset as ls
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> x = np.arange(8.0, dtype=np.float32)[:, None]
    >>> trees = ls.multitask.Trees.of_forest(RandomForestRegressor(3).fit(x, np.sign(x[:, 0] - 3)))
    >>> trees(jnp.array([7.0])).tolist()
    [1.0]
    """

    base: Float[Array, "*tasks out"]
    count: Int[Array, "*tasks"]
    feature: Int[Array, "*tasks trees nodes"]
    threshold: Float[Array, "*tasks trees nodes"]
    left: Int[Array, "*tasks trees nodes"]
    right: Int[Array, "*tasks trees nodes"]
    missing_left: Bool[Array, "*tasks trees nodes"]
    value: Float[Array, "*tasks trees nodes out"]
    category: Bool[Array, "*tasks trees nodes"]
    words: UInt32[Array, "*tasks trees nodes words"]  # no words where no input is a category

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        def after(tree: Any, total: Array) -> Array:
            return total + self.value[tree, self._leaf(tree, x)]

        return jax.lax.fori_loop(0, self.count, after, self.base)

    def _leaf(self, tree: Array, x: Float[Array, "in"]) -> Array:
        def below(node: Array) -> Array:
            at = x[self.feature[tree, node]]
            goes_left = at <= self.threshold[tree, node]
            if self.words.shape[-1]:
                number = jnp.clip(at, 0, 32 * self.words.shape[-1] - 1).astype(jnp.uint32)
                word = self.words[tree, node, (number >> 5).astype(jnp.int32)]
                known = (word >> (number & 31)) & 1 > 0
                goes_left = jnp.where(self.category[tree, node], known, goes_left)
            goes_left = jnp.where(jnp.isnan(at), self.missing_left[tree, node], goes_left)
            return jnp.where(goes_left, self.left[tree, node], self.right[tree, node])

        return jax.lax.while_loop(
            lambda node: self.left[tree, node] > 0, below, jnp.zeros((), jnp.int32)
        )

    @classmethod
    def of_boosting(cls, model: Any, *, rounds: int | None = None) -> "Trees":
        """The trees of a `HistGradientBoostingRegressor` or `...Classifier`, of which the first
        input alone may be a category; the first `rounds` of them. For classes, the outputs are
        logits."""
        iterations = model._predictors[:rounds]
        outputs, binary = len(model._predictors[0]), hasattr(model, "classes_")
        binary = binary and outputs == 1
        scale = np.array([-0.5, 0.5]) if binary else np.eye(outputs)
        trees = []
        for iteration in iterations:
            for output, tree in enumerate(iteration):
                nodes = tree.nodes
                inside = nodes["is_leaf"] == 0
                bits = np.zeros((len(nodes), 0), np.uint32)
                if len(tree.raw_left_cat_bitsets) or model.is_categorical_ is not None:
                    bits = np.zeros((len(nodes), 8), np.uint32)
                    chosen = nodes["is_categorical"] == 1
                    bits[chosen] = tree.raw_left_cat_bitsets[nodes["bitset_idx"][chosen]]
                value = np.where(inside, 0, nodes["value"])[:, None]
                trees.append(
                    {
                        "feature": np.where(inside, nodes["feature_idx"], 0),
                        "threshold": np.where(inside, nodes["num_threshold"], 0),
                        "left": np.where(inside, nodes["left"], 0),
                        "right": np.where(inside, nodes["right"], 0),
                        "missing_left": nodes["missing_go_to_left"] == 1,
                        "value": value * (scale if binary else scale[output]),
                        "category": nodes["is_categorical"] == 1,
                        "words": bits,
                    }
                )
        base = np.ravel(model._baseline_prediction)
        base = base * scale if binary else base
        return cls.of_nodes(trees, base) if trees else cls.constant(base)

    @classmethod
    def of_forest(cls, model: Any) -> "Trees":
        """The trees of a `RandomForestRegressor`, or of another forest whose prediction is the mean
        of its trees. Each target is an output."""
        share = 1 / len(model.estimators_)
        trees = []
        for one in model.estimators_:
            tree = one.tree_
            inside = tree.children_left >= 0
            trees.append(
                {
                    "feature": np.where(inside, tree.feature, 0),
                    "threshold": np.where(inside, tree.threshold, 0),
                    "left": np.where(inside, tree.children_left, 0),
                    "right": np.where(inside, tree.children_right, 0),
                    "missing_left": np.asarray(tree.missing_go_to_left) == 1,
                    "value": np.where(inside[:, None], 0, share * tree.value[:, :, 0]),
                    "category": np.zeros(len(inside), bool),
                    "words": np.zeros((len(inside), 0), np.uint32),
                }
            )
        return cls.of_nodes(trees, np.zeros(trees[0]["value"].shape[1]))

    @classmethod
    def constant(cls, base: Float[np.ndarray, "out"]) -> "Trees":
        """No trees: the same answer for all inputs."""
        leaf = {name: np.zeros(1) for name in ("feature", "threshold", "left", "right")}
        leaf |= {"missing_left": np.zeros(1, bool), "category": np.zeros(1, bool)}
        leaf |= {"value": np.zeros((1, len(base))), "words": np.zeros((1, 0), np.uint32)}
        return cls.of_nodes([leaf], base)

    @classmethod
    def of_nodes(cls, trees: Sequence[dict[str, np.ndarray]], base: np.ndarray) -> "Trees":
        """Trees next to each other, from their nodes as arrays, padded with leaves of zero to
        powers of two, so that one program serves several models."""
        sizes = [len(tree["left"]) for tree in trees]
        shape = _room(len(trees)), _room(max(sizes))
        tree = np.repeat(np.arange(len(trees)), sizes)
        node = np.concatenate([np.arange(size) for size in sizes])

        def array(name: str, dtype: Any) -> Array:
            values = np.concatenate([one[name] for one in trees])
            if name == "threshold":  # the largest that is not above it parts numbers alike
                values = _not_above(values, np.dtype(dtype))
            whole = np.zeros((*shape, *values.shape[1:]), dtype)
            whole[tree, node] = values
            return jax.device_put(whole)  # compiles nothing

        floats = jnp.result_type(float)
        kinds = {"feature": np.int32, "left": np.int32, "right": np.int32, "value": floats}
        kinds |= {"missing_left": bool, "category": bool, "words": np.uint32, "threshold": floats}
        return cls(
            base=jax.device_put(np.asarray(base, floats)),
            count=jax.device_put(np.asarray(len(trees), np.int32)),
            **{name: array(name, dtype) for name, dtype in kinds.items()},
        )


def _not_above(threshold: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        near = threshold.astype(dtype)
    return np.where(
        near.astype(np.float64) > threshold, np.nextafter(near, dtype.type(-np.inf)), near
    )


def _room(size: int) -> int:
    return 1 << max(0, size - 1).bit_length()
