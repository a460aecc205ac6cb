"""A comparison prints itself, and has a page of its own, whatever its recipes are."""

import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.comparison import InClosedForm, NewTasks, Recipe, SeenTasks
from learnset.core import write_file
from learnset.report import write_report
from learnset.training import run_folder


def network(key):
    return ls.MLP(1, 1, width=4, depth=1, key=key)


@pytest.fixture(scope="module")
def new():
    ridges = [
        Recipe("my ridge", ls.Setting.SCRATCH, adapters=(ls.transfer.Ridge(1.0),), baseline=True),
        Recipe("<b>stiff</b>", ls.Setting.TRANSFER, adapters=(ls.transfer.Ridge(100.0),)),
    ]
    question = NewTasks(ls.Sinusoids(), seeds=2, shots=(5, 10), test_tasks=10, validation_tasks=5)
    return ls.compare(ridges, network, question, key=jr.key(0), progress=False)


@pytest.fixture(scope="module")
def seen():
    random = np.random.default_rng(0)
    task = np.repeat(np.arange(3), 20)
    table = ls.Table.from_arrays(random.normal(size=(60, 1)), random.normal(size=60), task)
    recipes = [
        Recipe("alone", ls.Setting.SCRATCH, (InClosedForm(ls.multitask.RidgePerTask(1.0)),)),
        Recipe("pooled", ls.Setting.POOLED, (InClosedForm(ls.multitask.PooledRidge(1.0)),)),
    ]
    question = SeenTasks.of_table(table, seeds=range(2))
    return ls.compare(recipes, network, question, key=jr.key(0), progress=False)


def test_a_comparison_prints_a_line_for_each_recipe(new, seen):
    title, head, *lines = str(new).splitlines()
    assert title.startswith("mean squared error, new tasks") and head.split()[-4:] == [
        "5", "shots", "10", "shots",
    ]  # fmt: skip
    value, half = new.value(new["my ridge"], 5)
    assert lines[0].startswith("my ridge") and f"{value:.4g} ± {half:.2g}" in lines[0]
    value, _ = seen.value(seen["pooled"])
    assert f"{100 * value:.4g} ± " in str(seen).splitlines()[-1]


def test_the_page_of_custom_recipes_has_the_figures_that_would_not_be_empty(new, tmp_path):
    with run_folder(tmp_path / "run") as folder:
        write_file(folder / "result.json", "{}")
    page = write_report(new, tmp_path / "run", title="My ridges", unit="point").read_text()
    assert "My ridges" in page and "<b>stiff</b>" not in page
    drawn = [path.stem for path in sorted((tmp_path / "run").glob("*.svg"))]
    assert drawn == ["differences", "shots"]  # no recipe has steps
    with run_folder(tmp_path / "run", overwrite=True) as folder:  # the page is part of the run
        write_file(folder / "result.json", "{}")
    assert not (tmp_path / "run" / "report.html").exists()


def test_seen_tasks_have_a_page_too(seen, tmp_path):
    page = write_report(seen, tmp_path).read_text()
    assert "pooled" in page and not list(tmp_path.glob("*.svg"))  # no baseline: no differences
