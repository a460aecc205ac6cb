"""Gradient boosting by LightGBM, where it is installed."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float

from ..core import needs
from ._boosting import base_of, Boosting, with_absent
from ._threads import one_thread
from ._trees import Trees


class LightBoosting(Boosting):
    """Gradient boosting as `Boosting`, by LightGBM, which grows trees leaf by leaf and orders the
    values of a category by their gradients.

    Source: Ke et al. 2017, *LightGBM: A Highly Efficient Gradient Boosting Decision Tree*.

    **Raises:** `InputError` where LightGBM is not installed.
    """

    def scored(
        self,
        points: tuple[np.ndarray, np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
        rounds: int | None,
        *,
        category: bool = False,
    ) -> tuple[Trees, int, Float[np.ndarray, "rounds+1"]]:
        with needs("lightgbm"):
            lightgbm: Any = import_module("lightgbm")

        (x, y, weight), outputs = points, points[1].shape[1]
        present = np.unique(y.argmax(axis=1))
        if rounds == 0 or (outputs > 1 and len(present) == 1):
            return Trees.constant(base_of(y, weight)), 0, np.zeros(1)
        options: dict[str, Any] = {
            "objective": "regression" if outputs == 1 else "multiclass",
            "num_class": len(present),  # one of them is no class, but a number
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": max(1, min(20, len(x) // 10)),
            "num_threads": 1,
            "deterministic": True,
            "verbose": -1,
        }

        def data(points: Any, reference: Any = None) -> Any:
            x, y, weight = points
            label = y[:, 0]
            if outputs > 1:
                known = np.isin(y.argmax(axis=1), present)
                x, weight = x[known], weight[known]
                label = np.searchsorted(present, y.argmax(axis=1)[known])
            named = [0] if category else []
            return lightgbm.Dataset(x, label, reference, weight, categorical_feature=named)

        train = data(points)
        watched = [] if rounds is not None else [data(validation, train)]
        stopping = [lightgbm.early_stopping(self.patience, verbose=False) for _ in watched]
        losses: dict[str, dict[str, list[float]]] = {}
        stopping += [lightgbm.record_evaluation(losses) for _ in watched]
        with one_thread():
            model = lightgbm.train(
                options, train, rounds or self.rounds, watched, callbacks=stopping
            )
        count = int(rounds or model.best_iteration)
        trees = trees_of(model, count, len(present))
        # It is not scored before the first round.
        of_rounds = next(iter(losses["valid_0"].values())) if watched else []
        scores = np.array([-np.inf, *(-loss for loss in of_rounds)])
        return (with_absent(trees, present, outputs) if outputs > 1 else trees), count, scores


def trees_of(model: Any, rounds: int, outputs: int) -> Trees:
    """The first rounds of a model of LightGBM, of which the first input alone may be a category.
    For classes, the outputs are logits."""
    infos = model.dump_model(num_iteration=rounds)["tree_info"]
    trees = [
        _nodes(info["tree_structure"], np.eye(outputs)[number % outputs])
        for number, info in enumerate(infos)
    ]
    return Trees.of_nodes(trees, np.zeros(outputs))


def _nodes(root: dict[str, Any], output: Float[np.ndarray, "out"]) -> dict[str, np.ndarray]:
    """The nodes of one tree as arrays, each before those below it."""
    order: list[dict[str, Any]] = []

    def visit(node: dict[str, Any]) -> int:
        place = len(order)
        inside = "left_child" in node
        category = inside and node["decision_type"] == "=="
        order.append(
            {
                "feature": node["split_feature"] if inside else 0,
                "threshold": node["threshold"] if inside and not category else 0,
                "missing_left": inside and not category and node["default_left"],
                "value": output * (0 if inside else node["leaf_value"]),
                "category": category,
                "words": _words(node["threshold"].split("||") if category else ()),
                "left": 0,
                "right": 0,
            }
        )
        if inside:
            order[place]["left"] = visit(node["left_child"])
            order[place]["right"] = visit(node["right_child"])
        return place

    visit(root)
    return {name: np.array([node[name] for node in order]) for name in order[0]}


def _words(categories: Sequence[str]) -> np.ndarray:
    """The bits of categories that go left."""
    words = np.zeros(8, np.uint32)
    for category in map(int, categories):
        words[category >> 5] |= np.uint32(1 << (category & 31))
    return words
