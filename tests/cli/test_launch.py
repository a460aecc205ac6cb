"""Several processes train one model: the same parameters, and one line where one is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from learnset.cli import main
from learnset.cli._launch import PROCESS
from learnset.cli._train import training_of

TRAIN = ["train", "maml", "sinusoids", "--tasks-per-step", "24", "--checkpoint-every", "10"]


def started(number, *words):
    command = [sys.executable, "-m", "learnset", "launch", "-n", str(number), "--"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *TRAIN, *map(str, words)], **pipes)


def trained(number, out, *words):
    """The parameters that a number of processes end with."""
    process = started(number, "--out", out, *words)
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    assert said.count("Trained") == 1
    training = training_of(out)
    return jax.tree.leaves(training.model(out, training.given(out)))


needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="each process takes a core")


@pytest.mark.long
@needs_two
def test_any_number_of_processes_goes_on_with_the_same_numbers(tmp_path):
    alone = trained(1, tmp_path / "alone", "--steps", 40, "--parts", 2)
    trained(2, tmp_path / "two", "--steps", 20, "--parts", 2)
    on = trained(1, tmp_path / "two", "--steps", 40, "--parts", 2, "--resume")
    assert all((one == other).all() for one, other in zip(alone, on, strict=True))
    two = trained(2, tmp_path / "rounded", "--steps", 40)
    for one, other in zip(alone, two, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.long
@needs_two
def test_all_end_where_one_is_killed_and_go_on(tmp_path):
    out = tmp_path / "run"
    process = started(2, "--out", out, "--steps", 10**7)
    while not list(out.glob("checkpoints/*.checkpoint")):
        assert process.poll() is None
        time.sleep(0.1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGKILL)
    errors = process.communicate()[1]
    assert process.returncode == 1
    assert "Process 1 of 2 was killed by signal 9, so that the others were stopped." in errors
    done = max(int(path.stem) for path in out.glob("checkpoints/*.checkpoint"))
    trained(2, out, "--steps", done + 1, "--resume")


@pytest.mark.long
@needs_two
def test_processes_that_start_a_minute_apart_wait_for_each_other(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "learnset", *TRAIN, "--steps", "20", "--out", str(tmp_path)]
    processes = []
    for number in range(2):
        environment = os.environ | {PROCESS: f"{number}/2@{address}"}
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, env=environment, stderr=pipe, text=True))
        time.sleep(45 * (1 - number))
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors


def test_launch_is_for_training_and_says_how(capsys):
    assert main(["launch", "--help"]) == 0
    assert "launch -n NUMBER -- train" in capsys.readouterr().out
    assert main(["launch", "train"]) == 2
    assert "launch -n NUMBER -- train" in capsys.readouterr().err
    assert main(["launch", "-n", "2", "--", "compare", "sinusoids"]) == 2
    assert "--workers" in capsys.readouterr().err
    assert main(["launch", "-n", "9999", "--", "train"]) == 2
    assert "cores to use" in capsys.readouterr().err
