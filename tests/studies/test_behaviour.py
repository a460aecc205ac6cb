"""The studies of behaviour with the agents that come with the package."""

import dataclasses
import json
from importlib import resources
from pathlib import Path

import jax
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.cli import _study, main
from learnset.comparison import Lives
from learnset.core import new_figure, write_figure
from learnset.report import html_of, markdown_of, Page, Picture, Section
from learnset_studies import bandits
from learnset_studies._agents import store, store_result, stored, stored_result
from learnset_studies._pages import select
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
    assert html_of(HarlowStudy.page(harlow), tmp_path).count("<svg") == 3


@pytest.mark.long
def test_stored_agents_meet_bandits_anew_next_to_the_kept_rules(monkeypatch):
    """In one cell: the regret is that of the agents whose reward is shown."""
    monkeypatch.setattr(bandits, "LEARNT", ((10, 5),))
    monkeypatch.setattr(bandits, "PICTURED", (10, 5))
    result = BanditStudy(bandits=200).run(Path(), jr.key(0), from_pretrained=True)
    *rules, learnt = result["rows"]
    assert rules == stored_result("bandits")["rows"] and result["training"] == {}
    assert (learnt["recipe"], learnt["num_tasks"]) == ("RL²", 2 * 200)
    (random,) = select(rules, recipe="random", pulls=10, arms=5)
    assert learnt["value"] > random["value"] + learnt["ci95"]
    regret = np.array(result["figures"]["regret"]["RL²"])
    assert len(regret) == 10 and (np.diff(regret) >= 0).all()
    # The best of five arms pays 5 / 6 on average.
    assert abs(learnt["value"] + regret[-1] - 10 * 5 / 6) < 0.5


@pytest.mark.long
def test_stored_swimmers_swim_anew_next_to_the_kept_learners(tmp_path):
    study = WaterMazeStudy(days=4)
    result = study.run(tmp_path, jr.key(0), from_pretrained=True)
    assert all(row in result["rows"] for row in stored_result("water-maze")["rows"])
    days = select(result["rows"], part="matching to place")
    swum = {row["recipe"] for row in days if row["num_tasks"] == 5 * 4}
    assert swum == {"RL²", "RL² without memory across trials"}
    first, second = (select(days, recipe="RL²", trial=t)[0]["value"] for t in (1, 2))
    assert second < 0.7 * first
    assert "of its kept run" in markdown_of(WaterMazeStudy.page(result))


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


@dataclasses.dataclass(frozen=True)
class Storing:
    """A study that writes what those with trained agents write, without training."""

    size: int = 1
    reads = frozenset()

    def run(self, folder, key):
        agent = ls.MLP(1, 1, key=key)
        store(agent, folder / "trained" / "agent.npz")
        store_result({"rows": []}, folder / "trained" / "agent.json")
        return {"rows": [], "curve": [0, 1]}

    @staticmethod
    def draw(result, folder):
        figure, axes = new_figure(1, 1, width=3, height=2)
        axes[0, 0].plot(result["curve"])
        write_figure(figure, folder, "curve")

    @staticmethod
    def page(result):
        return Page("Storing", (Section("", (Picture("curve", "The curve."),)),))


def test_a_run_with_trained_agents_is_replaced_unless_a_file_is_not_of_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(_study, "_study", lambda name: Storing)
    command, out = ["study", "storing", "--out", str(tmp_path / "run")], tmp_path / "run"
    assert main(command) == main([*command, "--overwrite"]) == 0
    assert {path.name for path in (out / "trained").iterdir()} == {"agent.npz", "agent.json"}
    assert main(["study", "storing", "--redraw", str(out)]) == 0
    assert main([*command, "--overwrite"]) == 0
    (out / "trained" / "mine.npz").write_text("ten years of work")
    assert main([*command, "--overwrite"]) == 2
    assert "did not write (trained/mine.npz)" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("study", ["harlow", "water-maze", "bandits"])
def test_what_comes_with_stored_agents_is_of_the_kept_result(study):
    if not RESULTS.exists():
        pytest.skip("no kept results")
    kept = json.loads((RESULTS / study / "result.json").read_text())["rows"]
    rows = stored_result(study)["rows"]
    assert rows and all(row in kept for row in rows)
    assert len([row for row in kept if row not in rows]) > 3  # those of the agents themselves


def test_all_stored_agents_take_less_than_two_megabytes():
    folder = resources.files("learnset_studies").joinpath("trained")
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 2_000_000


@pytest.fixture(scope="module")
def days():
    """A question about ten held-out days, stored agents, and their lives there."""
    question = Lives(ls.envs.MatchingToPlace(POOL), Latency(), seeds=5, test_tasks=10)

    def agent(key):
        env = question.envs.sample(ls.Split.TRAIN, key=key)
        return ls.rl.RecurrentAgent(env, width=64, key=key)

    agents = stored("water-maze-rl2", agent, 5)
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
