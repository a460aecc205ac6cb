"""The studies of behaviour with the agents that come with the package."""

import dataclasses
import json
from importlib import resources
from pathlib import Path

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.cli import main
from learnset.comparison import Lives
from learnset.report import html_of, markdown_of
from learnset_studies import bandits
from learnset_studies._agents import stored, stored_result
from learnset_studies._water_maze_lives import arrays, Latency, POOL, probes
from learnset_studies._water_maze_weights import OneSwim
from learnset_studies.bandits import BanditStudy
from learnset_studies.harlow import HarlowStudy
from learnset_studies.water_maze import WaterMazeStudy

pytestmark = pytest.mark.study
RESULTS = Path(__file__).parents[2] / "docs" / "results"
SMALL = ls.envs.Pool(cells=7, time_limit=20.0)


@pytest.fixture(scope="module")
def harlow():
    """The result of stored agents, on as many problems as settings are chosen on, so that both
    share compiled programs."""
    study = HarlowStudy(problems=200, earlier_problems=20)
    result = study.run(Path(), jr.key(0), from_pretrained=True)
    return json.loads(json.dumps({"sizes": dataclasses.asdict(study)} | result))


@pytest.mark.long
def test_stored_agents_have_a_learning_set(harlow):
    correct = {
        row["trial"]: row["value"]
        for row in harlow["rows"]
        if row["part"] == "trials" and row["recipe"] == "RL²"
    }
    assert 40 < correct[1] < 60 and min(correct[t] for t in range(2, 7)) > 97


@pytest.mark.long
def test_a_result_is_all_that_figures_and_page_need(harlow, tmp_path):
    HarlowStudy.draw(harlow, tmp_path)
    assert (tmp_path / "learning-set.png").stat().st_size > 10_000
    assert "win-stay" in markdown_of(HarlowStudy.page(harlow))
    assert html_of(HarlowStudy.page(harlow), tmp_path).count("<svg") == 2


@pytest.mark.long
def test_stored_agents_and_rules_are_compared_on_the_same_bandits(monkeypatch):
    """In one cell and with two of the rules: each has one answer for each seed of the agents, and
    the regret is that of what was chosen."""
    known = [r for r in bandits.rules(10, 5) if r.name in ("random", "UCB1")]
    monkeypatch.setattr(bandits, "rules", lambda pulls, arms: list(known))
    monkeypatch.setattr(bandits, "CELLS", ((10, 5),))
    monkeypatch.setattr(bandits, "PICTURED", (10, 5))
    result = BanditStudy(bandits=200).run(Path(), jr.key(0), from_pretrained=True)
    rows = {row["recipe"]: row for row in result["rows"]}
    assert list(rows) == ["random", "UCB1", "RL²"] and result["training"] == {}
    assert {row["num_tasks"] for row in rows.values()} == {2 * 200}
    regrets = {name: np.array(regret) for name, regret in result["figures"]["regret"].items()}
    for name, row in rows.items():
        # The best of five arms pays 5 / 6 on average.
        assert abs(row["value"] + regrets[name][-1] - 10 * 5 / 6) < 0.5
        assert len(regrets[name]) == 10 and (np.diff(regrets[name]) >= 0).all()
        assert name == "random" or row["value"] > rows["random"]["value"] + row["ci95"]


def test_a_figure_whose_data_were_not_kept_stays_or_is_missed(tmp_path):
    with pytest.raises(ls.InputError, match="no data of the figure .regret"):
        BanditStudy.draw({"rows": []}, tmp_path)
    (tmp_path / "regret.svg").write_text("kept")
    BanditStudy.draw({"rows": []}, tmp_path)
    assert (tmp_path / "regret.svg").read_text() == "kept"


@pytest.mark.parametrize("study", [HarlowStudy, WaterMazeStudy, BanditStudy])
def test_sizes_below_one_are_refused(study):
    with pytest.raises(ls.InputError, match="seeds=0"):
        study(seeds=0)


def test_a_study_without_trained_agents_says_so(tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["study", "school", "--from-pretrained", "--out", out]) == 2
    assert "`--from-pretrained` has no meaning" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_comes_with_stored_agents_is_of_the_kept_result():
    if not RESULTS.exists():
        pytest.skip("no kept results")
    kept = json.loads((RESULTS / "harlow" / "result.json").read_text())["rows"]
    rows = stored_result("harlow")["rows"]
    assert rows and all(row in kept for row in rows)
    assert len([row for row in kept if row not in rows]) > 3  # those of the agents themselves


def test_all_stored_agents_take_less_than_two_megabytes():
    folder = resources.files("learnset_studies").joinpath("trained")
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 2_000_000


@pytest.fixture(scope="module")
def days():
    """A question about ten held-out days, stored agents, and their lives there."""
    question = Lives(ls.envs.MatchingToPlace(POOL), Latency(), seeds=5, test_tasks=10)
    env = question.envs.sample(ls.Split.TRAIN, key=jr.key(0))
    start = eqx.filter_vmap(lambda key: ls.rl.RecurrentAgent(env, width=64, key=key))(
        jr.split(jr.key(0), 5)
    )
    agents = stored("water-maze-rl2", start)
    envs, life = question.lives(agents, key=jr.key(2))
    return question, agents, np.asarray(envs.platforms[:, 0]), jax.tree.map(np.asarray, life)


def test_stored_agents_find_a_new_place_sooner_after_one_trial(days):
    question, agents, _, life = days
    seconds = question.mean_of(agents, key=jr.key(2))
    ends = np.where(life.over, life.after.elapsed, 0).sum(axis=-1)  # of the four swims
    assert_close(ends.mean(axis=1), seconds.sum(axis=1), rtol=1e-5)
    assert seconds.mean(axis=0)[1] < 0.7 * seconds.mean(axis=0)[0]


def test_kept_paths_are_the_swum_ones_with_the_site_that_is_nearest(days):
    platforms, life = days[2:]
    swims = probes(life)
    kept = arrays(swims, platforms)
    assert kept["times"].shape[0] == kept["sites"].shape[0] == 5 * 10
    times, places = swims[3][7]
    swum = np.isfinite(kept["times"][37])
    assert swum.sum() == len(times)
    assert_close(kept["places"][37][swum].astype(float), places, atol=1e-3)
    site = np.array(ls.envs.SITES)[kept["sites"][37]]
    distances = np.linalg.norm(np.array(ls.envs.SITES) - platforms[7], axis=1)
    assert np.isclose(np.linalg.norm(site - platforms[7]), distances.min())


def test_a_swim_begins_at_any_start_of_the_day():
    maze = ls.envs.MatchingToPlace(SMALL).sample(ls.Split.TEST, key=jr.key(0))
    drawn = [OneSwim(maze).reset(0, key=jr.key(i)).position for i in range(20)]
    assert OneSwim(maze).trials == 1
    assert len(np.unique(np.asarray(drawn).round(3), axis=0)) == 4
