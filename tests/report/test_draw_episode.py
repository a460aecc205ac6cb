"""The picture of a few-shot task."""

import jax.numpy as jnp
import numpy as np
import pytest

import learnset as ls
from learnset import InputError
from learnset.report._episodes import draw_episode


def episode(ways=2, shots=3, queries=2, shape=(8, 8, 1)) -> ls.Task:
    def batch(count):
        x = np.random.RandomState(count).rand(count * ways, *shape).astype(np.float32)
        return ls.Batch(jnp.asarray(x), jnp.tile(jnp.eye(ways), (count, 1)))

    return ls.Task(batch(shots), batch(queries))


def test_an_episode_is_drawn_as_png_and_svg_the_same_each_time(tmp_path):
    for name in ("one", "two"):
        draw_episode(episode(), ["Futurama/character12", "a"], tmp_path, name)
    assert (tmp_path / "one.png").stat().st_size > 5000
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_colour_and_many_queries_fit(tmp_path):
    draw_episode(episode(ways=3, shots=1, queries=15, shape=(5, 7, 3)), None, tmp_path, "many")
    assert (tmp_path / "many.png").exists()


def test_what_is_no_episode_of_images_is_refused(tmp_path):
    features = ls.Batch(jnp.zeros((4, 16)), jnp.tile(jnp.eye(2), (2, 1)))
    with pytest.raises(InputError, match="only images"):
        draw_episode(ls.Task(features, features), None, tmp_path, "none")
    with pytest.raises(InputError, match="There are 3 names, but the task has 2 classes"):
        draw_episode(episode(), ["a", "b", "c"], tmp_path, "none")
    assert not list(tmp_path.iterdir())
