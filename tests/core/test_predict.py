"""Predictions for many points."""

import jax
import jax.export
import jax.numpy as jnp
import pytest

import learnset as ls
from learnset.core import weight_of_points


@pytest.mark.parametrize("labels", [(), (3,), (3, 2)])
def test_a_program_for_any_number_of_points_has_a_weight_for_each(labels):
    (points,) = jax.export.symbolic_shape("points")
    weight = jax.ShapeDtypeStruct((points, *labels), jnp.float32)
    assert jax.eval_shape(weight_of_points, weight).shape == (points,)


def test_a_point_weighs_what_its_heaviest_label_weighs():
    weight = jnp.array([[0.0, 2.0], [0.0, 0.0], [1.0, 0.5]])
    assert weight_of_points(weight).tolist() == [2.0, 0.0, 1.0]
    assert weight_of_points(weight[:, 0]).tolist() == [0.0, 0.0, 1.0]


def test_a_predictor_is_asked_for_each_point():
    assert ls.predict(lambda x: 2 * x, jnp.ones((3, 1))).tolist() == [[2.0]] * 3
