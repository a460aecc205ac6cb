"""A comparison starts from any Equinox network."""

import equinox as eqx
import jax.random as jr
import pytest

import learnset as ls
from learnset.recipes import regression


@pytest.mark.slow
def test_a_network_of_equinox_itself_is_compared():
    question = ls.NewTasks(ls.Sinusoids(), seeds=2, shots=(5,), validation_tasks=5, test_tasks=10)
    recipes = [regression.scratch(steps=3), regression.maml(steps=3)]
    found = ls.compare(
        recipes,
        lambda key: eqx.nn.MLP(1, 1, 8, 1, key=key),
        question,
        key=jr.key(0),
        budget=ls.Budget(steps=3),
    )
    assert [outcome.name for outcome in found] == ["scratch", "MAML"]
    assert found.failures == {}
