"""Numbers of two quick comparisons, as they were kept: a change of them is seen, wanted or not.

`golden.json` has them to 1e-6. It is made anew, where numbers are meant to change, by

    python tests/golden/test_golden.py

The note of that commit says which numbers moved, and why. Trainings of hundreds of steps make much
of the last bit, so that the file holds for one kind of processor and one version of JAX; elsewhere
the test is skipped: make the file anew from the commit before a change, and compare.
"""

import csv
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).with_name("golden.json")
TABLE = ["shops.csv", "--task-column", "shop", "--target", "sales"]
COMMANDS = {
    "sinusoids": ["compare", "sinusoids", "--quick"],
    "table": ["compare", *TABLE, "--quick", "--seeds", "2"],
}
pytestmark = pytest.mark.slow


def machine() -> dict[str, str]:
    """What rounding depends on."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    vectors = next((name for name in ("avx512f", "avx2") if name in flags), "")
    versions = {name: metadata.version(name) for name in ("jaxlib", "numpy")}
    return {"processor": platform.machine(), "vectors": vectors} | versions


def write_shops(path: Path) -> None:
    """Twelve shops whose sales have an offset and a slope each."""
    draw = random.Random(1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["shop", "price", "kind", "day", "sales"])
        for shop in range(12):
            offset, slope = draw.gauss(0, 1), draw.gauss(2, 0.3)
            for _ in range(60):
                price, kind = draw.uniform(0, 3), draw.choice(["red", "blue", "green"])
                day = draw.randint(1, 30)
                of_kind = {"red": 0, "blue": 0.5, "green": -1}[kind]
                sales = offset + slope * price + of_kind + draw.gauss(0, 0.5)
                writer.writerow([f"shop{shop}", f"{price:.3f}", kind, day, f"{sales:.4f}"])


def run(name: str, folder: Path, python: Path | str = sys.executable) -> Path:
    """Runs a command in a process of its own, as a user does, with what it compiles in `folder`.

    **Returns:** the directory of the run.
    """
    write_shops(folder / "shops.csv")
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "140"}
    for variable in ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"):  # the command has its own
        environment.pop(variable, None)
    if python != sys.executable:
        environment.pop("PYTHONPATH", None)
    command = [str(python), "-m", "learnset", *COMMANDS[name], "--out", "run"]
    options = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder / "run"


def numbers(folder: Path) -> dict[str, list[float]]:
    """The numbers of a result that its page shows: for each seed with its chosen settings."""
    result = json.loads((folder / "result.json").read_text())
    assert result["failures"] == {}
    values: dict[str, list[float]] = {}
    for row in result["rows"]:
        if row["chosen"]:
            shots = "" if row["shots"] is None else f", {row['shots']} shots"
            values.setdefault(f"{row['recipe']}, {row['tasks']}{shots}", []).append(row["value"])
    if "tasks" in result:
        values["gain of each task"] = [task["gain"] for task in result["tasks"]]
        values["cosines of the first task"] = result["affinity"]["cosine"][0]
    return values


@pytest.fixture(scope="module", params=COMMANDS)
def compared(request, tmp_path_factory):
    """One command where it is installed for work; the other where nothing is but the wheel and
    what it declares."""
    name, folder, python = request.param, tmp_path_factory.mktemp(request.param), sys.executable
    if name == "sinusoids":
        from distributions import build, environment, pip, ROOT

        _, wheel = build(ROOT, tmp_path_factory.mktemp("built"))
        programs = environment(tmp_path_factory.mktemp("environment"), wheel)
        pip(programs, wheel)
        python = programs / "python"
    return name, run(name, folder, python)


def test_numbers_are_those_that_were_kept(compared):
    name, folder = compared
    golden = json.loads(GOLDEN.read_text())
    if golden["machine"] != machine():
        pytest.skip(f"made with {golden['machine']}, but this is {machine()}")
    found, kept = numbers(folder), golden[name]
    assert found.keys() == kept.keys()
    for of, values in kept.items():
        np.testing.assert_allclose(found[of], values, rtol=1e-6, atol=1e-9, err_msg=of)


def test_a_quick_comparison_leaves_everything(compared):
    """Offline: no page needs anything else. The next start finds its programs compiled."""
    from result_format import faults  # of tests/, which is on no path where this is a script

    name, folder = compared
    assert faults(folder / "result.json") == []
    result = json.loads((folder / "result.json").read_text())
    assert result["meta"]["command"].startswith(f"learnset compare {result['subject']}")
    for recipe in {row["recipe"] for row in result["rows"] if row["tasks"] == "new"}:
        assert recipe in (folder / "README.md").read_text()
    assert (folder / "metrics.jsonl").exists() is (name == "sinusoids")  # of trainings that log
    assert (folder / "report.html").read_text().count("<svg") == len(list(folder.glob("*.svg")))
    assert ("MAML" if name == "sinusoids" else "shared body") in (
        folder.parent / "stdout"
    ).read_text()
    assert list((folder.parent / "cache" / "learnset" / "xla").iterdir())


def make() -> None:
    """Makes `golden.json` anew."""
    golden = {"machine": machine()}
    for name in COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            golden[name] = numbers(run(name, Path(folder)))
    parts = [
        f'"{part}": {{\n' + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in of.items()) + "\n}"
        for part, of in golden.items()
    ]
    GOLDEN.write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    make()
