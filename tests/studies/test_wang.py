"""The study of Wang et al. 2016: its families, its rules, and the orderings of its scores."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from equinox import filter_jit

import learnset as ls
from learnset.envs.two_step import stay_probabilities, TwoStep
from learnset.rl._bandit_rules import ThompsonSampling
from learnset_studies._two_step_learners import TwoStepLearner
from learnset_studies.wang import FAMILIES, orderings, Paired, PULLS, WangStudy

pytestmark = pytest.mark.study
TEST = ls.Split.TEST


def test_an_agent_that_knows_the_dependence_loses_less_than_one_that_explores():
    bandits = FAMILIES["medium"].draw(200, TEST, key=jr.key(0))

    @filter_jit
    def regret(agent):
        def of_one(bandit, key):
            life = ls.envs.live(agent, bandit, key=key)
            return ls.envs.expected_regret(bandit, life.action[:PULLS])[-1]

        return jax.vmap(of_one)(bandits, jr.split(jr.key(1), 200))

    best, other = (np.asarray(regret(agent)) for agent in (Paired(), ThompsonSampling(2)))
    assert best.mean() + 4 * best.std() / 200**0.5 < other.mean()


def test_one_reward_tells_all_of_the_other_arm():
    """Where one arm never pays, the other one is known after the first pull."""
    sure = ls.envs.Bandit(jnp.array([0.0, 1.0]), pulls=5)
    assert ls.envs.live(Paired(), sure, key=jr.key(0)).action[:5].tolist() == [0, 1, 1, 1, 1]


@pytest.fixture(scope="module")
def stay():
    """Stay probabilities of both learners, over many tasks."""
    tasks, keys = TwoStep(trials=60).draw(100, TEST, key=jr.key(0)), jr.split(jr.key(1), 100)

    @filter_jit
    def of(agent):
        return jax.vmap(lambda task, key: stay_probabilities(ls.envs.live(agent, task, key=key)))(
            tasks, keys
        )

    return {model: np.nanmean(of(TwoStepLearner(model=model)), axis=0) for model in (False, True)}


def test_a_model_free_learner_stays_after_rewards_whatever_the_transition(stay):
    (lost_common, lost_rare), (won_common, won_rare) = stay[False]
    assert won_common - lost_common > 0.2 and won_rare - lost_rare > 0.2


def test_a_model_based_learner_shifts_after_rare_rewards(stay):
    (lost_common, lost_rare), (won_common, won_rare) = stay[True]
    assert won_common - won_rare > 0.2 and lost_rare - lost_common > 0.2


def made_up(*, rl2, rules, interaction, reward):
    rows = []
    for tested in FAMILIES:
        common = {"part": "bandits", "tasks": tested}
        rows += [common | {"recipe": name, "by_seed": [rules]} for name in ("Thompson", "UCB1")]
        rows.append(
            common
            | {"recipe": "Gittins", "by_seed": [rules if tested != "independent" else rl2 - 1]}
        )
        for trained in FAMILIES:
            lost = rl2 if trained == tested else rules
            rows.append(
                common
                | {"recipe": f"RL² trained on {trained}", "by_seed": [lost - 0.01, lost + 0.01]}
            )
    for quantity, value in (
        ("effect of reward × transition", interaction),
        ("effect of reward", reward),
    ):
        rows.append(
            {
                "part": "two-step",
                "recipe": "RL²",
                "quantity": quantity,
                "by_seed": [value, value + 0.01],
            }
        )
    return rows


def test_orderings_agree_where_they_hold():
    claims = orderings(made_up(rl2=3.0, rules=6.0, interaction=30.0, reward=2.0))
    assert all(row["agrees"] for row in claims) and len(claims) == 3 + 4 * 4 + 2
    backwards = orderings(made_up(rl2=6.0, rules=3.0, interaction=-30.0, reward=2.0))
    assert not any(row["agrees"] for row in backwards if "Gittins loses less" not in row["claim"])


@pytest.mark.parametrize("bad", ({"seeds": 0}, {"trials": 1}, {"steps": -1}), ids=str)
def test_sizes_that_cannot_be_are_refused(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError, match=f"{name}={value}"):
        WangStudy(**bad)
