"""The kept results of the studies of transfer, against what is published."""

import json
from pathlib import Path

import pytest

from learnset_studies._surgical_page import claims
from learnset_studies.lp_ft import statements

pytestmark = pytest.mark.study
RESULTS = Path(__file__).parents[3] / "docs" / "results"


def rows_of(name):
    return json.loads((RESULTS / name / "result.json").read_text())


def test_every_statement_of_the_theory_of_lp_ft_holds():
    rows = rows_of("lp-ft")["rows"]
    claims = statements({(row["feature_error"], row["recipe"]): row for row in rows})
    assert len(claims) == 5 and all(holds for _, holds in claims)


def test_a_single_label_gains_points_and_fine_tuning_forgets_what_others_keep():
    result = rows_of("transfer")
    of = {(row["recipe"], row["shots"]): row for row in result["rows"]}
    most = max(shots for _, shots in of)
    assert of["fine-tuning", 1]["on_target"] > of["scratch", 1]["on_target"] + 2
    tuned, before = of["fine-tuning", most], result["source"]["value"]
    assert tuned["on_source"] < before - 30
    for name in ("WiSE", "L2-SP", "distillation"):
        assert of[name, most]["on_source"] > tuned["on_source"] + 5


def test_learning_together_is_far_above_merging_which_is_no_better_than_the_start():
    rows = rows_of("merging")["rows"]
    of = {row["recipe"]: row for row in rows}
    merged = [row["value"] for row in rows if row["kind"] == "merged"]
    together = [row["value"] for row in rows if row["kind"] == "together"]
    assert min(together) > max(merged) + 3
    assert max(merged) < of["the start"]["value"] + 1
    curves = rows_of("merging")["figures"]["scales"]["curves"].values()
    assert all(curve[-1] < curve[0] - 10 for curve in curves)


def test_tuning_the_head_is_best_for_shifts_of_outputs_and_never_for_those_of_inputs():
    found = claims(rows_of("surgical")["rows"])
    outputs = [claim for claim in found if claim["kind"] == "outputs"]
    assert len(found) == 12 and len(outputs) == 4
    for claim in outputs:
        assert all(value - half > 0 for value, half in (claim["ends"], claim["all"]))
    better = [claim["ends"][0] - claim["ends"][1] > 0 for claim in found if claim not in outputs]
    worse = [claim["ends"][0] + claim["ends"][1] < 0 for claim in found if claim not in outputs]
    assert sum(better) >= 2 and not any(worse)


def test_scores_of_features_rank_sources_and_those_of_source_classes_do_not():
    of = {(row["measure"], row["score"]): row for row in rows_of("source-ranking")["rankings"]}
    for score in ("LogME", "H-score", "leave-one-out ridge", "N-LEEP"):
        row = of["logistic head", score]
        assert row["tau"] - row["tau_ci95"] > 0 and row["regret"] < row["chance"] / 3
    assert of["logistic head", "LEEP"]["tau"] < of["logistic head", "LogME"]["tau"] - 0.3


def test_alignments_of_simulated_shifts_are_the_published_ones():
    rows = [row for row in rows_of("simulated-shifts")["rows"] if "published" in row]
    assert all(row["agrees"] for row in rows if row["method"] not in ("TCA", "CORAL"))
    assert sum(row["agrees"] for row in rows) > 0.8 * len(rows)


def test_alignments_of_office_and_caltech_are_the_published_ones_to_the_last_digit():
    rows = rows_of("office-caltech")["rows"]
    for name in ("1NN", "PCA + 1NN", "GFK + 1NN", "TCA + 1NN", "JDA + 1NN"):
        assert all(row["agrees"] for row in rows if row["method"] == name)


def test_a_head_on_a_pretrained_network_is_good_at_hand_signs_and_one_on_all_layers_better():
    rows = [row for row in rows_of("compare-sign-digits")["rows"] if row["seed"] is None]
    value = {(row["recipe"], row["shots"]): row["value"] for row in rows if row["steps"] is None}
    for shots, least in {1: 0.366, 5: 0.606, 20: 0.755}.items():
        assert value["frozen lite0 + logistic head", shots] > least
    best = max(one for (_, shots), one in value.items() if shots == 20)
    assert best > value["frozen lite0 + logistic head", 20] + 0.03
