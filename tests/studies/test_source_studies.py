"""The study of source ranking, run quickly."""

import dataclasses

import jax.random as jr
import numpy as np
import pytest

from learnset.data import Labelled
from learnset.models import Linear
from learnset.report import markdown_of
from learnset_studies import source_ranking
from learnset_studies._source_ranking_page import ELSEWHERE, HEAD, TUNED

pytestmark = pytest.mark.study


def drawn(study, folder):
    """The result of a study, its page, and its figures in the folder."""
    result = study.run(folder, jr.key(0)) | {"sizes": dataclasses.asdict(study)}
    study.draw(result, folder)
    return result, markdown_of(study.page(result))


def patterns(seed, classes=3, images=12):
    """Images of the same few patterns, with noise of their own."""
    rng = np.random.default_rng(seed)
    base = 120 * np.random.default_rng(0).integers(0, 2, size=(classes, 1, 20, 20))
    x = (base + rng.uniform(0, 130, size=(classes, images, 20, 20))).astype(np.uint8)
    return Labelled.from_arrays(x.reshape(-1, 20, 20), np.repeat(np.arange(classes), images))


@pytest.mark.long
def test_a_quick_study_of_source_ranking_scores_and_tries_every_source(tmp_path, monkeypatch):
    monkeypatch.setattr(source_ranking, "LITES", ())
    monkeypatch.setattr(source_ranking, "LRS", (0.003,))
    own = {"patterns": patterns(1, 6), "others": patterns(9, 6)}
    monkeypatch.setattr(source_ranking, "source_data", lambda rng: own)
    few = {name: patterns(seed) for seed, name in enumerate(("one", "other"), 2)}
    monkeypatch.setattr(source_ranking, "target_data", lambda rng: few)
    study = source_ranking.SourceRankingStudy(5, 2, 2)
    result, page = drawn(study, tmp_path)
    assert [row["source"] for row in result["rows"]] == [
        *own,
        "random network",
        "raw pixels",
    ] * 2
    assert all((TUNED in row) == (row["source"] != "raw pixels") for row in result["rows"])
    assert [set(row["scores"]) & {"LEEP"} for row in result["rows"]] == [
        {"LEEP"},
        {"LEEP"},
        set(),
        set(),
    ] * 2
    raw = [row[HEAD]["value"] for row in result["rows"] if row["source"] == "raw pixels"]
    assert min(raw) > 90
    assert {row["score"] for row in result["rankings"]} >= {"LogME", ELSEWHERE}
    assert (tmp_path / "tau.svg").exists() and "| raw pixels |" in page.replace(
        "random network", ""
    )


def test_coordinates_of_the_span_change_no_inner_product_of_what_is_learnt():
    fit = np.random.default_rng(0).normal(size=(1, 5, 30)).astype(np.float32)
    other = np.random.default_rng(1).normal(size=(1, 4, 30)).astype(np.float32)
    ours, theirs = (source_ranking._spanned(x, fit)[0] for x in (fit, other))
    centred = (fit - fit.mean(axis=1))[0], (other - fit.mean(axis=1))[0]
    scale = (centred[0] ** 2).sum(axis=1).mean()
    assert np.allclose(ours @ ours.T, centred[0] @ centred[0].T / scale, atol=1e-5)
    assert np.allclose(theirs @ ours.T, centred[1] @ centred[0].T / scale, atol=1e-5)


def test_probabilities_of_the_source_sum_to_one():
    head = Linear(3, 4, key=jr.key(0))
    given = source_ranking.probabilities(head, np.eye(3, dtype=np.float32) * 90)
    assert np.allclose(given.sum(axis=1), 1) and given.shape == (3, 4)
