"""Kept results of the studies of behaviour, at full size."""

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.study
RESULTS = Path(__file__).parents[3] / "docs" / "results"


def rows(study, **wanted):
    path = RESULTS / study / "result.json"
    found = json.loads(path.read_text())["rows"]
    return [row for row in found if all(row.get(name) == value for name, value in wanted.items())]


def by_trial(study, **wanted):
    """Each seed's values by trial."""
    return np.array(
        [row["by_seed"] for row in sorted(rows(study, **wanted), key=lambda row: row["trial"])]
    ).T


def test_a_learning_set_forms_in_four_of_five_seeds():
    """Harlow 1949; Wang et al. 2016: chance on trial 1 of a new problem, nearly no error from trial
    2 on."""
    correct = by_trial("harlow", part="trials", recipe="RL²")
    assert correct.shape == (5, 6)
    assert abs(correct[:, 0] - 50).max() <= 5.5  # 3.5 standard errors of 1,000 problems
    assert abs(correct[:, 0].mean() - 50) <= 2
    assert (correct[:, 1:].min(axis=1) >= 97).sum() >= 4


@pytest.mark.parametrize("ablation", ["memory across trials", "reward input"])
def test_without_memory_or_reward_there_is_no_learning_set(ablation):
    assert abs(by_trial("harlow", part="trials", recipe=f"RL² without {ablation}") - 50).max() < 7


def test_centred_pictures_of_new_scripts_are_enough_for_a_learning_set():
    correct = by_trial("harlow", part="pictures", recipe="RL² on centred pictures")
    assert correct.shape == (5, 6) and abs(correct[:, 0].mean() - 50) <= 2
    assert (correct[:, 1:].mean(axis=1) >= 97).sum() >= 4
    forgetful = "RL² on centred pictures, without memory across trials"
    assert abs(by_trial("harlow", part="pictures", recipe=forgetful) - 50).max() < 7


def test_one_trial_is_enough_for_a_new_place_in_four_of_five_seeds():
    seconds = by_trial("water-maze", part="matching to place", recipe="RL²")
    assert seconds.shape == (5, 4)
    good = (seconds[:, 1] <= 0.6 * seconds[:, 0]) & (seconds[:, 3] <= 0.5 * seconds[:, 0])
    assert good.sum() >= 4


@pytest.mark.parametrize(
    "recipe",
    [
        "new actor-critic each day",
        "new policy",
        "actor-critic after eight days",
        "pretrained policy",
        "averaged policy",
        "MAML policy",
    ],
)
def test_only_an_agent_that_learnt_to_learn_finds_a_new_place_at_once(recipe):
    seconds = by_trial("water-maze", part="matching to place", recipe=recipe).mean(axis=0)
    assert seconds[1] > 0.6 * seconds[0]


def test_twenty_swims_are_enough_for_the_gradient_of_a_pretrained_policy():
    by_step = np.array(
        [
            row["by_seed"]
            for row in rows("water-maze", part="many swims", recipe="pretrained policy")
        ]
    )
    assert by_step.shape == (4, 5)
    assert (by_step[3] < 0.8 * by_step[0]).all()


def test_search_preference_after_one_trial_is_above_chance_and_needs_memory():
    """Bast et al. 2009: intact animals search the right one of eight zones; chance is 12.5 %."""
    with_memory, without = rows("water-maze", part="probe")
    assert with_memory["value"] - with_memory["ci95"] > 12.5
    assert with_memory["value"] >= 30
    assert without["value"] < with_memory["value"] / 2


def test_the_actor_critic_learns_one_place_slowly_and_loses_it_when_it_moves():
    """Foster, Morris & Dayan 2000: latency falls over days and rises when the platform moves."""
    seconds = by_trial("water-maze", part="reference memory", recipe="actor-critic")[0]
    assert seconds[24:28].mean() < 0.4 * seconds[:2].mean()
    assert seconds[28:30].mean() > 2 * seconds[24:28].mean()


def bandit(recipe, pulls, arms):
    return rows("bandits", recipe=recipe, pulls=pulls, arms=arms)[0]


def test_a_network_learns_short_bandits_as_well_as_the_best_rules():
    """Duan et al. 2016, table 1: 6.7 in both cells, where Gittins indices have 6.6."""
    for arms in (5, 10):
        found = bandit("RL²", 10, arms)
        assert min(found["by_seed"]) >= 6.6 and found["agrees"]


@pytest.mark.parametrize("arms, greedy, best", [(5, 74.8, 78.3), (10, 77.1, 82.8)])
def test_a_network_that_must_know_how_sure_it_is_explores_bandits_of_a_hundred_pulls(
    arms, greedy, best
):
    """Duan et al. 2016, table 1: the greedy rule, and Gittins indices. The better seed is more than
    halfway from the first to the second, the other well above the first."""
    by_seed = sorted(bandit("RL²", 100, arms)["by_seed"])
    assert by_seed[-1] > (greedy + best) / 2 and by_seed[0] > greedy + 2


@pytest.mark.parametrize("recipe", ["random", "Gittins", "Thompson", "UCB1", "ε-greedy", "greedy"])
def test_classical_columns_are_the_published_ones(recipe):
    """In all nine cells, within three standard errors of the paper's 1,000 bandits, which are at
    most four per cent."""
    found = rows("bandits", recipe=recipe)
    assert len(found) == 9
    assert all(abs(row["value"] / row["published"] - 1) < 0.04 for row in found)


def test_a_network_learns_to_learn_by_watching():
    """Laskin et al. 2022: a student learns a new bandit by the rewards of its own pulls, to which
    it owes nearly all that it gains over chance."""

    def regret(recipe):
        (row,) = rows("distillation", recipe=recipe, pulls=100)
        return row["value"]

    chance = regret("random")
    assert regret("student of UCB1") < 0.5 * chance
    assert regret("student of UCB1 without reward input") > 0.8 * chance
