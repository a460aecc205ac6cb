"""Confidence that is as high as the share of right answers."""

import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset.training import answers, Calibrated, temperature


def tasks(noise):
    random = np.random.default_rng(0)
    centres = np.repeat(random.normal(size=(60, 4)), 20, axis=0)
    x = centres + noise * random.normal(size=centres.shape)
    classes = ls.data.Labelled.from_arrays(x, np.repeat(np.arange(60), 20))
    return ls.Episodes(*classes.split((20, 20, 20)), ways=3, shots=2, queries=10)


class Loud(ls.meta.ProtoNet):
    """Right as often, and far too sure."""

    def adapt(self, model, support):
        return Calibrated(super().adapt(model, support), 0.02)


def calibration_error(logits, targets, bins=15):
    """Expected calibration error: |accuracy − confidence|, by bins of confidence."""
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    sure, right = chances.max(1), chances.argmax(1) == targets.argmax(1)
    bin_of = np.minimum((sure * bins).astype(int), bins - 1)
    inside = [bin_of == i for i in range(bins)]
    return sum(abs(right[b].mean() - sure[b].mean()) * b.mean() for b in inside if b.any())


@pytest.mark.slow
def test_confidence_of_other_tasks_is_their_share_of_right_answers(getkey):
    family, model = tasks(noise=1.0), ls.MLP(4, 3, width=16, depth=1, key=getkey())
    found = temperature(Loud(), model, family, key=getkey(), num_tasks=200)
    logits, targets = answers(Loud(), model, family, key=getkey(), num_tasks=200)
    before, after = (calibration_error(logits / t, targets) for t in (1.0, found))
    assert before > 0.15 and after < 0.03
    assert ((logits / found).argmax(1) == logits.argmax(1)).all()


def test_a_classifier_without_a_mistake_is_not_taken_for_certain(getkey):
    family, model = tasks(noise=0.0), ls.MLP(4, 3, width=16, depth=1, key=getkey())
    found = temperature(ls.meta.ProtoNet(), model, family, key=getkey(), num_tasks=20)
    assert found > 1e-3


def test_a_calibrated_predictor_divides_its_logits_alone_and_together():
    calibrated = Calibrated(lambda x: 3 * x, 2.0)
    xs = jnp.arange(6.0).reshape(2, 3)
    assert (calibrated(xs[0]) == 1.5 * xs[0]).all() and (
        ls.predict(calibrated, xs) == 1.5 * xs
    ).all()
