"""Runs that are killed at any instant end as those that were not, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = pytest.mark.long

# Trainings one after the other, each with a state of its own kind. Prints what all of them come to.
TRAININGS = """
import sys, hashlib, jax, jax.numpy as jnp, jax.random as jr, numpy as np, optax, learnset as ls
import learnset.training._train as training
training.CHECKPOINT_SECONDS = 0.05
family = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=4, points=12, key=jr.key(0))
mlp = ls.MLP(1, 1, width=8, key=jr.key(1))
pictures = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 1), np.uint8)
classes = ls.data.Labelled.from_arrays(pictures, np.repeat(np.arange(12), 5)).split((4, 4, 4))
bandits, keys = ls.envs.Bandits(3, 6), jr.split(jr.key(2), 2)
import equinox as eqx
env = bandits.sample(ls.Split.TRAIN, key=jr.key(0))
agents = eqx.filter_vmap(lambda k: ls.rl.RecurrentAgent(env, width=4, key=k))(keys)
encoder = ls.models.Conv4((16, 16, 1), filters=2, key=jr.key(3))
images = ls.models.classifier(encoder, 2, key=jr.key(4))
episodes = ls.Episodes(*classes, 2, 1, 2)
momentum = optax.sgd(1e-3, momentum=0.9)
runs = {
    "maml": (ls.MAML(ls.mse), mlp, ls.Sinusoids(), optax.adam(1e-3), jr.key(5)),
    "famo": (ls.FAMO(num_tasks=4), mlp, family, optax.adamw(1e-3), jr.key(5)),
    "gradnorm": (ls.GradNorm(num_tasks=4), mlp, family, momentum, jr.key(5)),
    "protonet": (ls.ProtoNet(), images, episodes, optax.adam(1e-3), jr.key(5)),
    "a2c": (ls.rl.A2C(horizon=6), agents, bandits, optax.adam(1e-3), keys),
    "ppo": (ls.rl.PPO(2), agents, bandits, optax.sgd(1.0), keys),
}
found = hashlib.sha256()
for name, (method, model, tasks, optimiser, key) in runs.items():
    run = ls.train(
        method, model, tasks, optimiser, steps=400, key=key, tasks_per_step=4, log_every=10,
        out=f"{sys.argv[1]}/{name}", resume=True, progress=False,
    )
    for leaf in jax.tree.leaves((run.model, run.state, run.metrics)):
        if eqx.is_array(leaf):
            leaf = jr.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
            found.update(np.asarray(leaf).tobytes())
print(found.hexdigest())
"""


def uncut(command):
    """The seconds that a command takes, and what it prints."""
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began, done.stdout


def killed(first, again, seconds, kills, seed):
    """Kills a command at random instants, each time later in the run, and then lets it end.

    **Returns:** what it prints, and how many were killed.
    """
    random, command, count = np.random.default_rng(seed), first, 0
    for _ in range(kills):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            process.communicate(timeout=random.uniform(0.2, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            count += 1
        else:
            assert process.returncode == 0
        command = again()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return done.stdout, count


def test_trainings_of_every_kind_of_state_that_are_killed_end_the_same(tmp_path):
    def command(folder):
        return [sys.executable, "-c", TRAININGS, str(tmp_path / folder)]

    seconds, expected = uncut(command("uncut"))
    found, count = killed(command("cut"), lambda: command("cut"), seconds, kills=8, seed=0)
    assert found == expected and count >= 4
    logs = [
        {path.parent.name: path.read_text() for path in (tmp_path / f).glob("*/metrics.jsonl")}
        for f in ("uncut", "cut")
    ]
    assert logs[0] == logs[1] and len(logs[0]) == 6


def numbers(folder):
    """What a result says, without times and versions."""

    def timeless(value):
        if isinstance(value, dict):
            skipped = ("meta", "sha256")
            items = [(k, v) for k, v in value.items() if k not in skipped and "seconds" not in k]
            return {k: timeless(v) for k, v in items}
        return [timeless(part) for part in value] if isinstance(value, list) else value

    return timeless(json.loads((folder / "result.json").read_text()))


COMMANDS = {
    "compare rows": "compare {csv} --task-column t --target y --quick --steps 40",
    "compare a family": "compare linear-gaussian --quick --steps 60 --checkpoint-every 20",
    "a study": "study multitask-toy --quick --steps 500",
}


@pytest.mark.study
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_commands_that_are_killed_end_the_same_and_an_old_run_stays_whole(words, tmp_path):
    r = np.random.default_rng(0)
    rows = [(t, *r.normal(size=2)) for t in range(10) for _ in range(24)]
    lines = [f"s{t},{a:.4f},{b:.4f},{a * t + b + 0.1 * r.normal():.4f}" for t, a, b in rows]
    (tmp_path / "rows.csv").write_text("\n".join(["t,a,b,y", *lines]))
    words = words.format(csv=tmp_path / "rows.csv").split()
    program = [sys.executable, "-m", "learnset", *words, "--out"]
    seconds, _ = uncut([*program, str(tmp_path / "uncut")])
    old = tmp_path / "run"
    subprocess.run(["cp", "-r", tmp_path / "uncut", old], check=True)
    (old / "result.json").write_text("{}")  # to tell the old run from the new one
    whole = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}

    def again():
        if (old / "result.json").read_text() == "{}":  # the new one has not taken its place
            files = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
            assert {path: files[path] for path in whole} == whole
            began = (tmp_path / "run.partial").exists()
            return [*program, str(old), "--resume" if began else "--overwrite"]
        return [*program, str(old), "--resume"]

    _, count = killed([*program, str(old), "--overwrite"], again, seconds, kills=3, seed=1)
    assert count >= 1
    assert numbers(old) == numbers(tmp_path / "uncut")
    assert not (tmp_path / "run.partial").exists() and not (tmp_path / ".run.replaced").exists()


def test_ctrl_c_once_twice_and_six_times_is_one_line(tmp_path):
    words = "train maml sinusoids --steps 100000 --overwrite --out".split()
    for presses in (1, 2, 6):
        command = [sys.executable, "-m", "learnset", *words, str(tmp_path / str(presses))]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
        log = tmp_path / str(presses) / "metrics.jsonl"
        for _ in range(1200):
            if log.exists() and log.read_text().count("\n") > 1:
                break
            time.sleep(0.05)
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        errors = process.communicate(timeout=60)[1]
        assert process.returncode == 1
        assert "Traceback" not in errors and errors.count("\n") <= 2, errors
        assert errors.startswith("learnset: ")
