"""easyfsl's classifiers on given features, one task at a time: a reference of `few_shot.py`."""

from importlib import import_module
from typing import Any

import numpy as np
import torch
from harness import timed
from torch import Tensor


def methods(others: np.ndarray) -> dict[str, Any]:
    """Its classifiers by our names, with the numbers of steps of ours.

    `others` are features of other classes, by whose mean features are centred.
    """
    _load_torchvision()
    from easyfsl.methods import BDCSPN, PrototypicalNetworks, PTMAP, SimpleShot, TIM

    import learnset as ls

    centred = {"feature_centering": torch.tensor(others.mean(axis=0)), "feature_normalization": 2.0}
    # It takes powers of features that are not negative, so it does not centre them first. Nor are
    # they of length one afterwards, as in the paper, whose sharpness of 10 would let all of the
    # transport underflow.
    square_length = (others / np.linalg.norm(others, axis=1, keepdims=True)).sum(axis=1).mean()
    steps, sharpness = ls.transfer.PTMAP().steps, float(10 / square_length)
    return {
        "ProtoNet": PrototypicalNetworks(),
        "SimpleShot": SimpleShot(**centred),
        "BD-CSPN": BDCSPN(**centred),
        "TIM": TIM(**centred, fine_tuning_steps=ls.transfer.TIM().steps),
        "PT-MAP": PTMAP(
            feature_normalization=2.0, fine_tuning_steps=steps, lambda_regularization=sharpness
        ),
    }


def per_task(method: Any, tasks: Any, seconds: float) -> dict[str, float]:
    """Processor seconds a task, the number of tasks, and the share of right answers.

    As many tasks as fit into `seconds`, after a warm-up.
    """
    torch.set_num_threads(1)
    arrays = [
        torch.tensor(np.asarray(part))
        for batch in (tasks.support, tasks.query)
        for part in (batch.x, batch.y)
    ]
    rights, spent = [], 0.0
    _right(method, *(array[0] for array in arrays))
    for task in zip(*arrays, strict=True):
        took, right = timed(lambda task=task: _right(method, *task))
        rights.append(right)
        spent += took
        if spent > seconds:
            break
    return {"seconds": spent / len(rights), "tasks": len(rights), "right": float(np.mean(rights))}


@torch.no_grad()
def _right(
    method: Any, support: Tensor, classes: Tensor, queries: Tensor, answers: Tensor
) -> float:
    method.process_support_set(support, classes.argmax(1))
    return float((method(queries).argmax(1) == answers.argmax(1)).float().mean())


def _load_torchvision() -> None:
    """easyfsl imports torchvision, which does not load with a torch of another build.

    The missing operators are needed by none of these classifiers: their names are enough.
    """
    try:
        import_module("torchvision")
    except RuntimeError:
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        _kept.append(operators)


_kept: list[torch.library.Library] = []  # names live as long as their library
