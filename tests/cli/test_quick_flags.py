"""Flags of XLA for a short run."""

import os
import subprocess
import sys
from importlib import metadata

from learnset import cli


def test_flags_of_a_short_run_are_known_to_the_installed_xla():
    flags = cli._quick_flags()
    environment = os.environ | {"XLA_FLAGS": flags}
    program = "import jax.numpy as jnp; print(float(jnp.ones(2).sum()))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "2.0\n", done.stderr


def test_another_version_gets_the_flag_that_all_know(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "99.1.0")
    assert cli._quick_flags() == "--xla_backend_optimization_level=1"
