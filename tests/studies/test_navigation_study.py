"""The study of navigation: the scores of policies, and their orderings."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from equinox import filter_vmap

import learnset as ls
from learnset.envs.navigation import Navigation
from learnset.rl._reactive import ReactiveAgent
from learnset_studies.navigation import (
    GoalsTold,
    halved,
    NavigationStudy,
    orderings,
    pictured,
    PUBLISHED,
    rows_of,
    walk,
    Walks,
)

pytestmark = pytest.mark.study
TEST = ls.Split.TEST


@pytest.fixture(scope="module")
def goals():
    return Navigation(squared=False).draw(3, TEST, key=jr.key(1))


@pytest.fixture(scope="module")
def walks(goals):
    """Of two seeds, with a step size of zero and with one that is not."""
    one = jax.tree.map(lambda leaf: leaf[0], goals)
    agents = filter_vmap(lambda key: ReactiveAgent(one, width=8, key=key))(jr.split(jr.key(0), 2))
    return {lr: walk(agents, goals, halved(lr), jr.key(2), episodes=2) for lr in (0.0, 1.0)}


def test_there_is_a_return_before_each_step_and_after_the_last(walks):
    assert walks[1.0].reward.shape == walks[1.0].still.shape == (2, 3, 4)
    assert walks[1.0].path.shape == walks[1.0].trial.shape == (2, 3, 4, 100, 2)


def test_without_a_step_size_a_policy_stays_what_it_was(walks):
    still = walks[0.0].still
    assert jnp.allclose(still, still[..., :1], rtol=1e-5)
    assert (abs(walks[1.0].still[..., 1:] - walks[1.0].still[..., :1]) > 1e-3).all()


def test_paths_begin_at_the_start_and_returns_are_minus_distances(walks, goals):
    assert not np.asarray(walks[1.0].path[:, :, :, 0]).any()
    # At the start a network without biases stands still, as long as it has learnt nothing.
    assert jnp.allclose(
        walks[1.0].still[:, :, 0], -100 * jnp.linalg.norm(goals.goal, axis=1)[None], rtol=1e-4
    )


def test_a_picture_has_no_place_after_the_end_of_a_path(walks):
    shown = np.array(pictured(walks[1.0])["mean action"], float)
    path = np.asarray(walks[1.0].path[0])
    assert shown.shape == path.shape and (np.isnan(shown) == np.isnan(path)).all()
    assert np.nanmax(abs(shown - path)) < 1e-3


def test_the_oracle_senses_the_same_goals(goals):
    told = GoalsTold(squared=False).draw(3, TEST, key=jr.key(1))
    assert jnp.array_equal(told.goal, goals.goal)
    state = jax.vmap(lambda env: env.reset(0, key=jr.key(0)))(told)
    assert jnp.array_equal(
        jax.vmap(lambda env, state: env.observe(state))(told, state)[:, 2:], goals.goal
    )


def test_the_step_size_is_halved_after_the_first_step():
    assert halved(0.5).tolist() == [0.5, 0.25, 0.25, 0.0]


def made_up(*, maml, other):
    """Rows of policies with these returns after each step, in two seeds that differ by 0.2."""
    seeds = np.array([-0.1, 0.1])[:, None, None]
    found = []
    for name, returns in (("MAML", maml), ("pretrained", other), ("random initialisation", other)):
        reward = seeds + np.broadcast_to(np.array(returns), (2, 5, 4))
        found += rows_of(name, Walks(reward, reward, reward, reward), episodes=20, lr=0.5)
    return found


def test_what_is_published_agrees_with_itself_and_not_with_what_is_far():
    rows = [row for row in made_up(maml=PUBLISHED, other=(0.0,) * 4) if row["part"] == "returns"]
    assert [row["agrees"] for row in rows if "published" in row] == [True] * 4
    far = [row for row in made_up(maml=[-50.0] * 4, other=[0.0] * 4) if "published" in row]
    assert not any(row["agrees"] for row in far)


def test_orderings_agree_where_they_hold():
    claims = orderings(made_up(maml=PUBLISHED, other=(-40.0, -39.0, -38.0, -37.0)))
    assert [row["agrees"] for row in claims] == [True] * 4
    assert not any(row["agrees"] for row in orderings(made_up(maml=[-40.0] * 4, other=[-40.0] * 4)))


@pytest.mark.parametrize(
    "bad", ({"seeds": 0}, {"episodes": (20, 0)}, {"lr": 0.0}, {"steps": -1}), ids=str
)
def test_sizes_that_cannot_be_are_refused(bad):
    (name,) = bad
    with pytest.raises(ls.InputError, match=f"{name}="):
        NavigationStudy(**bad)
