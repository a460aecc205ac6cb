"""The study of navigation: the scores of policies, and their orderings."""

import jax
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import learn, Lives
from learnset.envs.navigation import Navigation
from learnset.rl._reactive import ReactiveAgent
from learnset_studies.navigation import (
    descent,
    MeanAction,
    NavigationStudy,
    orderings,
    pictured,
    PUBLISHED,
    Return,
    rows_of,
    sizes_of,
)

pytestmark = pytest.mark.study
TEST = ls.Split.TEST
GOALS = Navigation(squared=False)
SIZES = {"seeds": 2, "validation_tasks": 2, "test_tasks": 3}
STILL = Lives(GOALS, MeanAction(), **SIZES)


def agent(key):
    return ReactiveAgent(GOALS.sample(TEST, key=jr.key(0)), width=8, key=key)


@pytest.fixture(scope="module")
def outcomes():
    """Of two seeds, by mean actions after steps of a size of nearly zero, and of another."""
    experience = learn(agent, STILL, key=jr.key(0))
    recipes = [
        ls.Recipe(f"{lr}", ls.Setting.SCRATCH, adapters=(descent(lr, 2),)) for lr in (1e-9, 1.0)
    ]
    return experience.models, experience.ask(STILL, recipes)


def test_there_is_a_return_before_each_step_and_after_the_last(outcomes):
    assert outcomes[1]["1.0"].of_tasks.shape == (1, 2, 3, 4)


def test_without_a_step_size_a_policy_stays_what_it_was(outcomes):
    still, moved = (outcomes[1][name].of_tasks[0] for name in ("1e-09", "1.0"))
    np.testing.assert_allclose(still, still[..., :1].repeat(4, axis=-1), rtol=1e-5)
    assert (abs(moved[..., 1:] - moved[..., :1]) > 1e-3).all()


def test_returns_are_minus_distances(outcomes):
    goals, _ = STILL.ask(TEST, lambda envs: envs, jr.key(0))
    # At the start a network without biases stands still, as long as it has learnt nothing.
    np.testing.assert_allclose(
        outcomes[1]["1.0"].of_tasks[0, ..., 0],
        -100 * np.linalg.norm(goals.goal, axis=1)[None].repeat(2, axis=0),
        rtol=1e-4,
    )


def test_paths_begin_at_the_start_and_have_no_place_after_their_end(outcomes):
    goals, _ = STILL.ask(TEST, lambda envs: envs, jr.key(0))
    near = jax.tree.map(lambda leaf: 0 * leaf + 1e-3, goals)  # reached at once
    given = (descent(1.0, 2), outcomes[0])
    far, ended = (
        {k: np.array(v, float) for k, v in pictured(*given, envs, jr.key(2)).items()}
        for envs in (goals, near)
    )
    for paths in (*far.values(), *ended.values()):
        assert paths.shape == (3, 4, 100, 2) and not paths[:, :, 0].any()
    assert not np.isnan(far["mean action"][:, 0]).any()  # it stands still, far from all goals
    assert np.isnan(ended["mean action"][:, 0, 1:]).all()


def test_the_last_return_counts_for_the_choice_of_step_sizes():
    scores = np.array([[[-9.0, -1.0], [-2.0, -2.0]]])
    assert Return().for_choice(scores).tolist() == [[-1.0, -2.0]]
    assert sizes_of([descent(0.5, 2), descent(0.5, 2)]) == 0.5
    assert sizes_of([descent(0.5, 2), descent(1.0, 2)]) == [0.5, 1.0]
    assert descent(0.5, 2).lr.tolist() == [0.5, 0.25, 0.25] and descent(0.5, 2).steps == 3


def made_up(*, maml, other):
    """Rows of policies with these returns after each step, in two seeds that differ by 0.2."""
    seeds = np.array([-0.1, 0.1])[:, None, None]
    found = []
    for name, returns in (("MAML", maml), ("pretrained", other), ("random initialisation", other)):
        reward = seeds + np.broadcast_to(np.array(returns), (2, 5, 4))
        found += rows_of(name, reward, reward, episodes=20, lr=0.5)
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
