"""The study of neural processes, run quickly."""

import jax
import jax.random as jr
import numpy as np
import pytest

import learnset as ls
from learnset.report import markdown_of
from learnset_studies.neural_processes import (
    AT_ONCE,
    Curves,
    NeuralProcessesStudy,
    optimal,
    predicted,
    TwoEncoders,
)

pytestmark = pytest.mark.study


def test_curves_have_the_numbers_of_points_of_the_protocol(getkey):
    tasks = Curves("matern").draw(400, ls.Split.TEST, key=getkey())
    learn, score = (np.asarray(b.weight.sum(axis=1)) for b in (tasks.support, tasks.query))
    assert learn.min() == 3 and learn.max() == 46 and score.min() == 3
    assert (learn + score).max() == 49
    both = Curves("matern", all_points=True).draw(400, ls.Split.TEST, key=getkey())
    assert (both.query.weight[:, :3] == 1).all()


def test_the_network_is_as_large_as_the_published_one():
    """Two encoders of 4 and 2 layers of 128 units, and a decoder of 3."""
    model = TwoEncoders(key=jr.key(0))
    encoder = (2 + 1) * 128 + 3 * 129 * 128 + 2 * 129 * 128
    decoder = (257 + 1) * 128 + 129 * 128 + 129 * 2
    assert sum(leaf.size for leaf in jax.tree.leaves(model)) == 2 * encoder + decoder


def test_no_network_is_better_than_the_exact_process(getkey):
    family = Curves("rbf")
    tasks = family.draw(100, ls.Split.TEST, key=getkey())
    best = jax.vmap(lambda task: optimal(family.family, task))(tasks)
    model = TwoEncoders(key=getkey())
    ours = jax.vmap(lambda task: predicted(model, task))(tasks)
    assert best.mean() > ours.mean() + 1


@pytest.mark.long
def test_a_quick_run_has_all_rows_and_a_page(tmp_path):
    study = NeuralProcessesStudy(2, 2, AT_ONCE)
    result = study.run(tmp_path, jr.key(0)) | {"sizes": {"batch": 2, "curves": AT_ONCE}}
    assert len(result["rows"]) == 6 and sum("published" in row for row in result["rows"]) == 3
    study.draw(result, tmp_path)
    assert {"curves.svg", "points.svg"} <= {path.name for path in tmp_path.iterdir()}
    text = markdown_of(study.page(result))
    assert "0.265 ± 0.015" in text and text.count("exact Gaussian process |") == 3
