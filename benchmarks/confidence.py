"""How sure few-shot classifiers are, and how often they are right, before and after the temperature
that `learnset train` finds on validation tasks: five characters of unseen scripts.

    python benchmarks/confidence.py [STEPS]
"""

import sys
from typing import Any

import jax.random as jr
import numpy as np
import optax
from scipy.special import softmax

import learnset as ls
from learnset.core import calibration_error
from learnset.data import glyphs
from learnset.training import answers, temperature

WAYS, SIZE, TASKS = 5, 20, 300
METHODS: dict[str, Any] = {
    "ProtoNet": ls.ProtoNet(),
    "MAML": ls.MAML(ls.cross_entropy, 0.1),
    "R2D2": ls.R2D2(ls.cross_entropy),
}


def figures(logits: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """The mean confidence of wrong answers, and the expected calibration error."""
    chance = softmax(logits, axis=1)
    sure, right = chance.max(axis=1), chance.argmax(axis=1) == targets.argmax(axis=1)
    return float(sure[~right].mean()), float(calibration_error(sure, right.astype(float)))


def main(steps: int) -> None:
    train, validation, test = glyphs.split(size=SIZE)
    head = f"{'':10}{'shots':>6}{'right':>8}{'T':>7}{'wrong, sure of':>22}{'calibration error':>22}"
    print(head)
    for name, method in METHODS.items():
        tasks = ls.Episodes(train, validation, test, ways=WAYS, shots=1, queries=5)
        encoder_key, head_key, key = jr.split(jr.key(0), 3)
        encoder = ls.Conv4((SIZE, SIZE, 1), filters=16, key=encoder_key)
        model = ls.models.Headed(encoder, ls.models.Linear(encoder.size, WAYS, key=head_key))
        model = method.prepare(model, key=head_key)
        adam = optax.adam(1e-3)
        model = ls.train(method, model, tasks, adam, steps=steps, key=key, progress=False).model
        for shots in (1, 5):
            some = tasks.with_shots(shots, 5)
            degrees = temperature(method.adapter, model, some, key=jr.key(1))
            logits, targets = answers(method.adapter, model, some, key=jr.key(2), num_tasks=TASKS)
            right = (logits.argmax(axis=1) == targets.argmax(axis=1)).mean()
            before, after = figures(logits, targets), figures(logits / degrees, targets)
            pairs = [f"{100 * b:.1f} → {100 * a:.1f} %" for b, a in zip(before, after, strict=True)]
            print(
                f"{name:10}{shots:6}{100 * right:7.1f}%{degrees:7.2f}{pairs[0]:>22}{pairs[1]:>22}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
