"""Tasks as an oracle sees them: the same tasks, with nothing left to learn."""

import equinox as eqx
import jax
import numpy as np
import pytest

import learnset as ls

FAMILIES = {
    "sines": ls.Sinusoids(shots=3, queries=4),
    "sines with frequencies": ls.Sinusoids.meta_sgd(shots=3, queries=4),
    "linear": ls.LinearGaussian(shots=3, queries=4, in_size=2),
}
draw = eqx.filter_jit(lambda family, split, key: family.draw(5, split, key=key))
sample = eqx.filter_jit(lambda family, split, key: family.sample(split, key=key))
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


@pytest.mark.parametrize(
    "family, split", list(zip(FAMILIES.values(), ls.Split, strict=True)), ids=FAMILIES
)
def test_one_key_draws_the_same_tasks_as_the_family_itself(family, split, getkey):
    key = getkey()
    for plain, revealed in (
        (draw(family, split, key), draw(ls.tasks.Revealed(family), split, key)),
        (sample(family, split, key), sample(ls.tasks.Revealed(family), split, key)),
    ):
        for a, b in ((plain.support, revealed.support), (plain.query, revealed.query)):
            assert np.array_equal(np.asarray(b.x)[..., : a.x.shape[-1]], a.x)
            assert eqx.tree_equal((b.y, b.weight), (a.y, a.weight))
        assert eqx.tree_equal((revealed.latents, revealed.index), (plain.latents, plain.index))


@each_family
def test_every_input_ends_with_the_latents_of_its_task(family, getkey):
    tasks = jax.tree.map(np.asarray, draw(ls.tasks.Revealed(family), ls.Split.TEST, getkey()))
    num = tasks.latents.shape[1]
    for x in (tasks.support.x, tasks.query.x):
        assert (x[..., -num:] == tasks.latents[:, None]).all()


def test_the_target_depends_only_on_the_revealed_input(getkey):
    family = FAMILIES["sines"]
    query = sample(ls.tasks.Revealed(family), ls.Split.TEST, getkey()).query
    x, amplitude, phase = np.asarray(query.x).T
    assert np.allclose(
        np.asarray(query.y)[:, 0], amplitude * np.sin(x - phase), rtol=1e-5, atol=1e-5
    )


def test_other_shots_are_those_of_the_family():
    revealed = ls.tasks.Revealed(FAMILIES["sines"]).with_shots(8)
    assert (revealed.shots, revealed.queries) == (8, 4)
    assert (revealed.tasks.shots, revealed.tasks.queries) == (8, 4)
