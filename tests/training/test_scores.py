"""Scores in the course of training: where they are asked for, and kept with the checkpoints."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import learnset as ls
from learnset.training import _train

POOLED, ADAM, AT = ls.Pooled(ls.mse), optax.adam(1e-3), (0, 7, 10, 30)
KEY, TAKEN = jr.key(1), []
MODEL, TASKS = ls.MLP(1, 1, width=8, key=jr.key(0)), ls.Sinusoids(shots=5, queries=5)


def at_one(model):
    return model(jnp.ones(1))


def noted(model):
    TAKEN.append(model(jnp.ones(1)))
    return TAKEN[-1]


def other(model):
    return 2 * model(jnp.ones(1))


def train(model=MODEL, key=KEY, *, steps=30, score=at_one, score_at=AT, **options):
    options = {"tasks_per_step": 4, "log_every": 5, "progress": False} | options
    scoring = {"score": score, "score_at": score_at}
    return ls.train(POOLED, model, TASKS, ADAM, steps=steps, key=key, **scoring, **options)


@pytest.fixture(scope="module")
def uncut():
    return train()


def test_a_score_is_that_of_a_training_of_so_many_steps(uncut):
    assert list(uncut.scores) == list(AT)
    for step in AT[1:]:
        alone = train(steps=step, score=None, score_at=())
        np.testing.assert_array_equal(uncut.scores[step], at_one(alone.model))
        assert alone.scores == {}
    np.testing.assert_array_equal(uncut.scores[0], at_one(MODEL))


def test_scores_change_nothing_of_the_training(uncut):
    plain = train(score=None, score_at=())
    assert eqx.tree_equal((plain.model, plain.metrics), (uncut.model, uncut.metrics))


class KilledError(Exception):
    pass


@pytest.mark.parametrize("kill_at", [7, 20, 30])
def test_a_run_that_was_killed_and_resumed_has_the_scores_of_an_uncut_one(
    uncut, tmp_path, monkeypatch, kill_at
):
    """Killed after a score was taken and before it was written, between two scores, and at the
    end."""
    save = _train.Checkpoints.save
    TAKEN.clear()

    def killed(self, saved):
        if saved.step == kill_at:
            raise KilledError
        save(self, saved)

    monkeypatch.setattr(_train.Checkpoints, "save", killed)
    with pytest.raises(KilledError):
        train(out=tmp_path, checkpoint_every=5, score=noted)
    monkeypatch.undo()
    before = len(TAKEN)
    again = train(out=tmp_path, checkpoint_every=5, resume=True, score=noted)
    assert list(again.scores) == list(AT)
    for step in AT:
        np.testing.assert_array_equal(again.scores[step], uncut.scores[step])
    kept = sum(step < kill_at for step in AT)
    assert before == sum(step <= kill_at for step in AT) and len(TAKEN) - before == len(AT) - kept
    assert eqx.tree_equal(again.model, uncut.model)
    assert list(ls.restore(tmp_path, POOLED, MODEL, ADAM).scores) == list(AT)


@pytest.mark.slow
def test_models_of_several_keys_are_scored_together():
    keys = jr.split(jr.key(2), 3)
    models = eqx.filter_vmap(lambda key: ls.MLP(1, 1, width=8, key=key))(keys)
    tasks = eqx.filter_vmap(lambda _: TASKS, axis_size=3)(None)
    scoring = {"score": eqx.filter_vmap(at_one), "score_at": (2,), "steps": 2, "progress": False}
    run = ls.train(POOLED, models, tasks, ADAM, key=keys, tasks_per_step=4, **scoring)
    np.testing.assert_array_equal(run.scores[2], eqx.filter_vmap(at_one)(run.model))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"score_at": ()}, "belong together"),
        ({"score": None}, "belong together"),
        ({"score_at": (0, 31)}, "`score_at` has 31, but it must be from 0 to `steps=30`"),
        ({"score_at": (-1,)}, "`score_at` has -1"),
    ],
    ids=str,
)
def test_scores_that_cannot_be_are_refused_in_one_line(bad, words):
    with pytest.raises(ls.InputError, match=words) as error:
        train(**bad)
    assert "\n" not in str(error.value)


def test_no_score_is_taken_inside_of_a_program():
    with pytest.raises(ls.InputError, match="no host can take a `score`"):
        jax.jit(lambda key: at_one(train(key=key).model))(jr.key(0))


def test_a_resumed_run_has_the_score_it_began_with_and_misses_none(tmp_path):
    train(out=tmp_path, steps=10, score_at=(0, 10))
    with pytest.raises(ls.InputError, match="another score"):
        train(out=tmp_path, resume=True, score=other, score_at=(0, 10, 30))
    with pytest.raises(ls.InputError, match="`score_at` has 7, but the run .* at step 10 and was"):
        train(out=tmp_path, resume=True)
    assert list(train(out=tmp_path, resume=True, score_at=(0, 10, 30)).scores) == [0, 10, 30]
