"""`result.json` is as `docs/result-format.md` has it: every kept one, and none that is damaged.

Fresh results are held to it where they are made, in tests/cli and tests/studies.
"""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from result_format import faults, schema

import learnset as ls
from learnset.cli._result import read_result, write_result

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
        "sha256": 64 * "0",
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_a_kept_result_is_as_documented_and_undamaged(path, capsys):
    assert faults(path) == []
    result = read_result(path.parent, "the command")
    assert "subject" in result or capsys.readouterr().err == ""


def test_a_changed_number_is_noticed_when_a_result_is_read(tmp_path, capsys):
    write_result(tmp_path / "result.json", {"rows": [{"value": 0.5, 7: None}]})
    text = (tmp_path / "result.json").read_text()
    assert read_result(tmp_path, "X") == {"format": 2, "rows": [{"value": 0.5, "7": None}]}
    (tmp_path / "result.json").write_text(text.replace("0.5", "0.7"))
    with pytest.raises(ls.InputError, match="changed after it was saved. Restore .* run X again"):
        read_result(tmp_path, "X")
    older = {"format": 2, "rows": []}
    (tmp_path / "result.json").write_text(json.dumps(older))
    assert read_result(tmp_path, "X") == older
    assert "has no checksum" in capsys.readouterr().err
    (tmp_path / "result.json").write_text(json.dumps(older | {"format": 1}))
    with pytest.raises(ls.InputError, match="has format 1"):
        read_result(tmp_path, "X")


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
