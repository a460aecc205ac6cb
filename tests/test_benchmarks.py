"""The programs in `benchmarks/` run, and their pages say what was measured."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="benchmarks come with the repository only"
)


@pytest.mark.long
def test_the_page_of_gpus_is_made_in_tiny_sizes_on_any_device(tmp_path):
    command = [sys.executable, str(FOLDER / "gpu.py"), "--tiny", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert "failed" not in result
    for part in ("sinusoids", "images", "protonet"):
        assert all(rate > 0 for rates in result[part].values() for rate in rates.values())
    page = (tmp_path / "README.md").read_text()
    assert "these numbers say nothing" in page and f"jax {jax.__version__}" in page


def test_a_ratio_is_that_of_the_best_form_of_each_side(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import gpu_page

    rates = {"learnset": 9.0, "learnset, other form": 12.0, "torch": 2.0, "torch, CUDA graph": 3.0}
    assert gpu_page.rates_table({"16 TF32": rates}).splitlines()[-1].endswith("| 3.0 | 3.00× |")


def test_a_worker_that_is_not_ready_in_time_is_named_and_stopped(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    import harness

    program = tmp_path / "sleeps.py"
    program.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(sys, "argv", [str(program)])
    with pytest.raises(RuntimeError, match="not ready after 0.2 s"):
        harness.in_own_process(dict, timeout=0.2)


def test_a_page_of_a_gpu_states_the_flags_of_xla(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import gpu_page

    about = {"device": {}, "tiny": {"tiny": False}, "flags": {"flags": "--some_flag=1"}}
    assert "were compiled with `--some_flag=1`" in gpu_page.page({"about": about})


def test_a_page_ends_with_the_machine_and_its_load(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import harness

    noted = harness.footer({"machine": harness.machine(load=7.26)})
    assert "load 7.3 before" in noted and f"{os.cpu_count()} cores, jax {jax.__version__}" in noted
    assert harness.footer({}) == ""  # numbers from before it was noted


def test_ratios_of_each_measurement_are_kept_in_turn(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    import harness

    path = tmp_path / harness.HISTORY
    assert harness.over_time(path) == ""
    for ratio in (2.0, 3.0):
        harness.note(path, harness.machine(load=1.0), {"25 tasks": ratio})
    lines = harness.over_time(path).splitlines()
    assert lines[-2].endswith("| 3.00× |") and lines[-1].endswith("| 2.00× |")


def test_a_ratio_that_has_fallen_by_a_third_is_found(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    import check

    monkeypatch.setattr(check, "KEPT", tmp_path / "ratios.json")
    measured = [3.0, 2.9, *[2.0] * check.ATTEMPTS]
    monkeypatch.setattr(check, "ratio", lambda *_: measured.pop(0))
    monkeypatch.setattr(check, "RATIOS", {"products": lambda: (None, None)})
    assert check.main(["--keep"]) == 0 and check.main([]) == 0
    assert check.main([]) == 1 and not measured
    assert "products has lost more than 30%" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["rivals", "new_tasks", "fine_tuning"])
def test_a_page_in_pieces_is_what_is_written_of_the_kept_numbers(name, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    kept = FOLDER.parent / "docs" / "results" / f"benchmarks-{name.replace('_', '-')}"
    numbers = json.loads((kept / "result.json").read_text())
    program = importlib.import_module(name)
    readme = (kept / "README.md").read_text()
    assert readme.startswith(program.page(numbers))
    assert program.page(numbers) == program.page(numbers | {"machine": {}})
