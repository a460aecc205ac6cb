"""Files that were cut, flipped or forged: one line or an answer, never anything else.

Inputs are read in another process with a limit of memory, so that what takes too much ends there.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

READER = Path(__file__).with_name("read_hostile.py")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["images", "arrays", "models", "predictors", "results"])
def test_thousands_of_damaged_files_get_one_line_or_an_answer(kind, seed, tmp_path):
    words = [sys.executable, str(READER), kind, "5000", str(seed), str(tmp_path)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["bad"] == []
    assert report["slowest"] < 10 and report["megabytes"] < 1000
    assert report["refused"] > 300
