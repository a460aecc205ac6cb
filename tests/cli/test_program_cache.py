"""The cache of compiled programs: bounded, and enough for a second run."""

import os
import subprocess
import sys

import pytest

from learnset.core import prune

COUNT = """
import sys
from jax import monitoring
from learnset.cli import main
missed = []
monitoring.register_event_listener(
    lambda name, **_: missed.append(name) if name.endswith("cache_misses") else None
)
code = main(sys.argv[1:])
print("missed", len(missed))
sys.exit(code)
"""


def test_programs_that_were_used_longest_ago_are_deleted(tmp_path):
    for age, name in enumerate("abc"):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    prune(tmp_path, most=25)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    prune(tmp_path / "absent", most=25)


@pytest.mark.long
def test_a_second_run_compiles_nothing(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    missed = []
    for out in ("first", "second"):
        words = ["compare", "sinusoids", "--quick", "--seeds", "2", "--out", str(tmp_path / out)]
        command = [sys.executable, "-c", COUNT, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        missed.append(int(done.stdout.split()[-1]))
    assert missed[0] > 20 and missed[1] == 0
