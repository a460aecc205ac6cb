"""easyfsl's classifiers on given features, one task after the other, for the benchmark of few-shot classification."""

import time
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor


def methods(others: np.ndarray) -> dict[str, Any]:
    """Its classifiers by our names, with as many steps as ours take. `others` are features of other classes, whose mean
    features are centred by."""
    _meet_torchvision()
    from easyfsl.methods import BDCSPN, PrototypicalNetworks, PTMAP, SimpleShot, TIM

    import learnset as ls

    centred = {"feature_centering": torch.tensor(others.mean(axis=0)), "feature_normalization": 2.0}
    # Its power is of features that are not negative, so that they are not centred before; nor are they of length one
    # after it, as in the paper, whose sharpness of 10 would let all of the transport underflow.
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
    """Processor seconds for each task, as many as fit into `seconds` after a warm-up, with their number and the share of
    queries that are told right."""
    torch.set_num_threads(1)
    arrays = [
        torch.tensor(np.asarray(part))
        for batch in (tasks.support, tasks.query)
        for part in (batch.x, batch.y)
    ]
    rights, spent = [], 0.0
    _right(method, *(array[0] for array in arrays))
    for task in zip(*arrays, strict=True):
        began = time.process_time()
        rights.append(_right(method, *task))
        spent += time.process_time() - began
        if spent > seconds:
            break
    return {"seconds": spent / len(rights), "tasks": len(rights), "right": float(np.mean(rights))}


@torch.no_grad()
def _right(
    method: Any, support: Tensor, classes: Tensor, queries: Tensor, answers: Tensor
) -> float:
    method.process_support_set(support, classes.argmax(1))
    return float((method(queries).argmax(1) == answers.argmax(1)).float().mean())


def _meet_torchvision() -> None:
    """easyfsl imports torchvision, which does not load beside a torch of another build, because operators are missing
    that none of the classifiers here needs: their names are enough."""
    try:
        import_module("torchvision")
    except RuntimeError:
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        _kept.append(operators)


_kept: list[torch.library.Library] = []  # a library that is forgotten takes its names along
