"""The study of linear tasks in context, run quickly."""

import jax.random as jr
import numpy as np
import pytest

from learnset.report import markdown_of
from learnset_studies import in_context_linear
from learnset_studies._in_context_linear_page import verdicts
from learnset_studies.in_context_linear import above, cut, drawn, InContextLinearStudy, known, PRIOR

pytestmark = pytest.mark.study


def row(name="in context", gap=1.0, **about):
    return {"recipe": name, "gap": gap, "gap_ci95": 0.1, "shots": 5, "siblings": 20} | about


def unrelated(more):
    return {"shots": 5, "siblings": 20, "more": more, "more_ci95": 0.1, "bayes_more": 0.5}


@pytest.mark.parametrize("gap, more, said", [(2.9, 0.9, "yes"), (3.1, 1.1, "no")])
def test_a_verdict_is_what_the_numbers_say(gap, more, said):
    rows = [row(gap=0.5), row(gap=gap, shots=40), row("MAML", gap=90.0)]
    lines = verdicts({"rows": rows, "unrelated": [unrelated(0.1), unrelated(more)]})
    assert all(f": {said}." in line for line in lines[:2])
    assert f"{gap:.1f}" in lines[0] and "in context" in lines[2] and "MAML 90.0" in lines[2]


def test_a_gap_is_the_excess_over_the_floor():
    found = above(np.array([0.1, 0.3]), np.array([1.0, 3.0]))
    assert found["gap"] == pytest.approx(10) and found["value"] == pytest.approx(2.2)
    assert found["gap_ci95"] == pytest.approx(0, abs=1e-6)


def test_fewer_rows_and_siblings_are_the_first_ones():
    groups = drawn(PRIOR, 2, jr.key(0))
    few = cut(groups, 5, 20)
    assert few.support.weight.sum() == 10 and few.support.siblings.x.shape == (2, 20, 10, 2)
    assert (few.support.siblings.y == groups.support.siblings.y[:, :20]).all()


def test_without_siblings_ridge_of_the_prior_is_nearly_the_floor():
    """It differs from Bayes only by an offset that it has to learn, and by the penalties that
    there are to choose from; without that choice it is far off."""
    task = cut(drawn(PRIOR, 50, jr.key(1)), 20, 0)
    floor, best = known(PRIOR, task)
    excess = np.asarray(((in_context_linear.ridge(task) - best[None]) ** 2).mean(axis=-1))
    gaps = [above(of_one, floor)["gap"] for of_one in excess]
    assert min(gaps) < 10


@pytest.mark.long
def test_a_quick_run_has_all_rows_and_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr(in_context_linear, "SHOTS", (1, 5))
    monkeypatch.setattr(in_context_linear, "SIBLINGS", (0, 5))
    monkeypatch.setattr(in_context_linear, "STAGES", in_context_linear.STAGES[:1])
    study = InContextLinearStudy(8, 3, 2, 5, 5)
    result = study.run(tmp_path, jr.key(0)) | {"sizes": {"sibling_steps": 5, "rival_steps": 5}}
    result["sizes"]["validation"] = 2
    names = {row["recipe"] for row in result["rows"]}
    assert len(names) == 7 and len(result["rows"]) == 2 * (5 + 7)
    assert all(row["gap"] > 0 for row in result["rows"]) and len(result["unrelated"]) == 2
    study.draw(result, tmp_path)
    assert (tmp_path / "gaps.svg").is_file()
    text = markdown_of(study.page(result))
    assert text.count("| mixed model |") == 1 and "Within 3 % of the best there is: no" in text
