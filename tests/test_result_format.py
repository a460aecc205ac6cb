"""`result.json` is as `docs/result-format.md` has it: every kept one, and none that is damaged.

Fresh results are held to it where they are made, in tests/cli and tests/studies.
"""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from result_format import faults, schema

import learnset as ls

RESULTS = Path(__file__).parent.parent / "docs" / "results"
KEPT = [
    path
    for path in sorted(RESULTS.glob("*/result.json"))
    if json.loads(path.read_text()).get("format") == 2
]
ROW = {
    "recipe": "MAML",
    "setting": "meta-learning",
    "tasks": "new",
    "measure": "accuracy",
    "shots": 5,
    "steps": None,
    "chosen": True,
    "seed": 0,
    "value": 0.9,
}


def comparison(row):
    versions = {"learnset": "0.2"}
    return {
        "format": 2,
        "subject": "glyphs",
        "questions": [],
        "rows": [row],
        "recipes": [],
        "failures": {},
        "notes": [],
        "meta": {"command": "learnset compare glyphs", "seconds": 1.0, "versions": versions},
    }


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_a_kept_result_is_as_documented(path):
    assert faults(path) == []


def test_the_schema_is_one():
    Draft202012Validator.check_schema(schema())


def test_the_settings_are_those_of_the_library():
    assert schema()["$defs"]["setting"]["enum"] == [setting.value for setting in ls.Setting]


@pytest.mark.parametrize(
    "change",
    (
        {"value": "0.9"},
        {"setting": "scratch"},
        {"seed": None},
        {"error": 0.1},
        {"shots": 0},
        {"ci95": 0.1},
    ),
    ids=lambda change: " ".join(change),
)
def test_a_row_of_another_form_is_refused(change, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(comparison(ROW)))
    assert faults(path) == []
    path.write_text(json.dumps(comparison(ROW | change)))
    found = faults(path)
    assert found and all(fault.startswith("$.rows[0]") for fault in found)


def test_infinity_is_refused(tmp_path):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(comparison(ROW | {"value": float("inf")})))
    with pytest.raises(ValueError, match="no JSON"):
        faults(path)
