"""The oracle's view: the same tasks, with nothing left to learn."""

import jax.numpy as jnp
import pytest
from conftest import assert_close

import learnset as ls

FAMILIES = {
    "sines": ls.Sinusoids(shots=3, queries=4),
    "sines with frequencies": ls.Sinusoids.meta_sgd(shots=3, queries=4),
    "linear": ls.LinearGaussian(shots=3, queries=4, in_size=2),
}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@each_family
@pytest.mark.parametrize("split", ls.Split)
def test_one_key_draws_the_same_tasks_as_the_family_itself(family, split, getkey):
    key = getkey()
    for plain, seen in (
        (family.draw(5, split, key=key), ls.Revealed(family).draw(5, split, key=key)),
        (family.sample(split, key=key), ls.Revealed(family).sample(split, key=key)),
    ):
        for a, b in ((plain.support, seen.support), (plain.query, seen.query)):
            assert_close(b.x[..., : a.x.shape[-1]], a.x, rtol=0, atol=0)
            assert_close((b.y, b.weight), (a.y, a.weight), rtol=0, atol=0)
        assert_close((seen.latents, seen.index), (plain.latents, plain.index), rtol=0, atol=0)


@each_family
def test_every_input_ends_with_the_latents_of_its_task(family, getkey):
    tasks = ls.Revealed(family).draw(5, ls.Split.TRAIN, key=getkey())
    num = tasks.latents.shape[1]
    for x in (tasks.support.x, tasks.query.x):
        assert (x[..., -num:] == tasks.latents[:, None]).all()


def test_the_target_is_a_function_of_the_revealed_input_alone(getkey):
    family = FAMILIES["sines"]
    query = ls.Revealed(family).sample(ls.Split.TEST, key=getkey()).query
    assert_close(query.y[:, 0], jnp.stack([family.function(x[1:], x[0]) for x in query.x]), rtol=1e-5, atol=1e-5)


def test_other_shots_are_the_family_s():
    seen = ls.Revealed(FAMILIES["sines"]).with_shots(8)
    assert (seen.shots, seen.queries) == (seen.tasks.shots, seen.tasks.queries) == (8, 4)
