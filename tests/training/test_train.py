"""The training loop: compiled in windows, resumed bit for bit, stopped with a message."""

import inspect
import json
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.training import _loop, _train

ADAM = optax.adam(1e-3)


def train(model, key, *, method=None, tasks=None, steps=60, **options):
    method = ls.Pooled(ls.mse) if method is None else method
    tasks = ls.Sinusoids(shots=5, queries=5) if tasks is None else tasks
    return ls.train(
        method,
        model,
        tasks,
        ADAM,
        steps=steps,
        key=key,
        tasks_per_step=4,
        progress=False,
        **options,
    )


def identical(left, right):
    return bool(eqx.tree_equal(left, right))


@pytest.mark.slow
def test_the_compiled_loop_takes_the_steps_of_a_plain_one(model, getkey):
    key, tasks, method = getkey(), ls.Sinusoids(shots=5, queries=5), ls.MAML(ls.mse)
    found = train(model, key, steps=5, method=method, tasks=tasks)
    gradient = eqx.filter_jit(
        lambda model, batch, key: method.gradient(model, batch, None, key=key)
    )
    state = ADAM.init(eqx.filter(model, eqx.is_inexact_array))
    for step in range(5):
        task_key, method_key = jr.split(jr.fold_in(key, step))
        batch = tasks.draw(4, ls.Split.TRAIN, key=task_key)
        grads, _, metrics = gradient(model, batch, method_key)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = ADAM.update(grads, state, eqx.filter(model, eqx.is_inexact_array))
        model = eqx.apply_updates(model, updates)
        assert metrics["loss"] == pytest.approx(float(found.metrics["loss"][step]), rel=1e-4)
    assert_close(found.model, model, rtol=1e-4, atol=1e-5)


def test_a_second_run_with_equal_arguments_compiles_nothing(model, getkey):
    entered = []

    class Noted(ls.Pooled):
        def init(self, model):
            entered.append("init")
            return super().init(model)

        def gradient(self, model, tasks, state, *, key):
            entered.append("gradient")
            return super().gradient(model, tasks, state, key=key)

    train(model, getkey(), method=Noted(ls.mse), steps=2)
    assert set(entered) == {"init", "gradient"}
    entered.clear()
    train(model, getkey(), method=Noted(ls.mse), steps=2)
    assert not entered


def test_how_the_run_is_cut_into_windows_changes_no_bit(model, getkey):
    key = getkey()
    assert identical(train(model, key, log_every=7).model, train(model, key, log_every=60).model)


def test_a_vector_of_keys_trains_as_many_runs_together(model, getkey):
    keys = jr.split(getkey(), 2)
    models = jax.tree.map(
        lambda leaf: jnp.stack([leaf, leaf]) if eqx.is_array(leaf) else leaf, model
    )
    together = train(models, keys, steps=20)
    for i in range(2):
        alone = train(model, keys[i], steps=20)
        assert_close(
            jax.tree.map(lambda leaf, i=i: leaf[i], eqx.filter(together.model, eqx.is_array)),
            alone.model,
            rtol=1e-3,
            atol=1e-5,
        )


@pytest.mark.slow
def test_train_can_be_mapped_and_compiled_by_the_user(model, getkey):
    keys = jr.split(getkey(), 2)
    mapped = eqx.filter_vmap(lambda key: train(model, key, steps=10))(keys)
    compiled = eqx.filter_jit(lambda key: train(model, key, steps=10))(keys[0])
    alone = train(model, keys[0], steps=10)
    assert mapped.metrics["loss"].shape == (2, 10)
    assert_close(compiled.model, alone.model, rtol=1e-3, atol=1e-5)
    assert_close(
        jax.tree.map(lambda leaf: leaf[0], eqx.filter(mapped.model, eqx.is_array)),
        alone.model,
        rtol=1e-3,
        atol=1e-5,
    )


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_resumed_equals_uncut_bit_for_bit(model, getkey, tmp_path):
    key = getkey()
    uncut = train(model, key, out=tmp_path / "uncut", log_every=7)
    train(model, key, out=tmp_path / "cut", log_every=7, steps=33, checkpoint_every=10)
    resumed = train(model, key, out=tmp_path / "cut", log_every=7, resume=True)
    assert identical(resumed.model, uncut.model)
    assert np.array_equal(resumed.metrics["loss"][-3:], uncut.metrics["loss"][-3:])
    last = [line for line in lines(tmp_path / "cut") if line["step"] > 35]
    assert last == [line for line in lines(tmp_path / "uncut") if line["step"] > 35]
    assert identical(
        ls.restore(tmp_path / "cut", ls.Pooled(ls.mse), model, ADAM).model, uncut.model
    )


def go_on(folder, steps):
    """The run in a folder, from where it is."""
    model = ls.MLP(1, 1, width=8, key=jr.key(0))
    options = {"checkpoint_every": 500, "log_every": 100, "resume": True, "progress": False}
    return ls.train(
        ls.MAML(ls.mse),
        model,
        ls.Sinusoids(),
        optax.adam(1e-3),
        steps=steps,
        key=jr.key(1),
        out=folder,
        **options,
    )


def start(folder, steps):
    """The same in another process."""
    lines = ["import sys, jax.random as jr, optax, learnset as ls", inspect.getsource(go_on)]
    command = [
        sys.executable,
        "-c",
        "\n".join([*lines, "go_on(sys.argv[1], int(sys.argv[2]))"]),
        str(folder),
        str(steps),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(folder, line_count):
    log = folder / "metrics.jsonl"
    for _ in range(3000):
        if log.exists() and log.read_text().count("\n") >= line_count:
            return
        time.sleep(0.05)
    raise AssertionError("the run did not begin")


@pytest.mark.slow
def test_a_run_stopped_by_ctrl_c_and_then_killed_resumes_bit_for_bit(tmp_path):
    """Ctrl-C saves and says how to continue; a kill may come at any instant and says nothing."""
    steps, folder = 6000, tmp_path / "cut"
    for line_count, cut in ((3, signal.SIGINT), (25, signal.SIGKILL)):
        process = start(folder, steps)
        wait_for(folder, line_count)
        process.send_signal(cut)
        _, errors = process.communicate(timeout=60)
        assert len(lines(folder)) < steps / 100  # it was still going
        if cut is signal.SIGINT:
            assert "saved in" in errors and "Continue with `resume`" in errors
            assert (folder / "checkpoints" / f"{lines(folder)[-1]['step']}.checkpoint").is_file()
    assert identical(go_on(folder, steps).model, go_on(tmp_path / "uncut", steps).model)
    assert [line["step"] for line in lines(folder)] == list(range(100, steps + 1, 100))
    assert [line["loss"] for line in lines(folder)] == [
        line["loss"] for line in lines(tmp_path / "uncut")
    ]


def test_nan_stops_with_step_method_and_advice_and_keeps_the_last_good_state(
    model, getkey, tmp_path
):
    wild = optax.chain(
        optax.sgd(1.0), optax.scale_by_schedule(lambda step: jnp.where(step < 12, 1e-3, 1e30))
    )
    with pytest.raises(
        ls.DivergedError,
        match=r"MAML met NaN or infinity at step 1[3-5]\b.*tenth.*step 10, is kept",
    ):
        ls.train(
            ls.MAML(ls.mse),
            model,
            ls.Sinusoids(),
            wild,
            steps=40,
            key=getkey(),
            log_every=5,
            out=tmp_path / "run",
            progress=False,
        )
    kept = ls.restore(tmp_path / "run", ls.MAML(ls.mse), model, wild)
    assert kept.steps == 10
    assert all(
        np.isfinite(leaf).all() for leaf in jax.tree.leaves(eqx.filter(kept.model, eqx.is_array))
    )


def test_a_used_directory_is_refused_unless_told_otherwise(model, getkey, tmp_path):
    key = getkey()
    first = train(model, key, steps=4, out=tmp_path / "run")
    with pytest.raises(ls.InputError, match="already holds a run.*resume.*overwrite"):
        train(model, key, steps=4, out=tmp_path / "run")
    assert identical(
        train(model, key, steps=4, out=tmp_path / "run", overwrite=True).model, first.model
    )


def scheduled(rate):
    """Schedules with one name and different bodies, as in an edited file."""
    module = {"rate": rate}
    exec("def schedule(step):\n    return rate / (1 + step)", module)
    return module["schedule"]


@pytest.mark.slow
def test_a_checkpoint_made_with_anything_else_is_refused_by_class_and_field(
    model, getkey, tmp_path
):
    key, out = getkey(), tmp_path / "run"
    options = {"out": out, "tasks_per_step": 4, "progress": False}
    run = {"method": ls.MAML(ls.mse), "model": model, "tasks": ls.Sinusoids(shots=5, queries=5)}
    run |= {"optimiser": ADAM, "key": key, "steps": 4}
    ls.train(**run, **options)
    wider = ls.MLP(1, 1, width=9, depth=2, activation=jnp.tanh, key=getkey())
    other = ls.MLP(1, 1, width=8, depth=2, activation=jax.nn.relu, key=getkey())
    for change, words in [
        ({"model": wider}, r"another model: MLP with another .*\(1, 8\), here .*\(1, 9\)"),
        ({"model": other}, "another model: MLP with another `activation` .*tanh.*relu"),
        ({"method": ls.MAML(ls.mse, 0.02)}, r"another method: MAML with another `inner_lr` \("),
        ({"method": ls.Reptile(ls.mse)}, r"method: it was .*\.MAML, and is .*\.Reptile"),
        ({"optimiser": optax.adam(1e-2)}, r"optimiser: .*step_size` \(-0.001, here -0.01\)"),
        ({"optimiser": optax.sgd(1e-3)}, "another optimiser: .*scale_by_adam"),
        ({"tasks": ls.Sinusoids(shots=6, queries=5)}, r"tasks: .* `shots` \(5, here 6\)"),
        ({"key": getkey()}, "another key: its contents differ"),
        ({"steps": 3}, "`steps=3`, but the run .* is already at step 4"),
    ]:
        with pytest.raises(ls.InputError, match=words) as caught:
            ls.train(**run | {"steps": 8} | change, **options, resume=True)
        assert "\n" not in str(caught.value)
    fast, slow = (optax.sgd(scheduled(rate)) for rate in (1e-2, 1e-3))
    ls.train(**run | {"optimiser": fast}, **options | {"out": tmp_path / "scheduled"})
    with pytest.raises(ls.InputError, match=r"another optimiser \(jax .*its contents differ"):
        ls.train(
            **run | {"optimiser": slow, "steps": 8},
            **options | {"out": tmp_path / "scheduled"},
            resume=True,
        )
    with pytest.raises(ls.InputError, match="another tasks_per_step: it was 4, and is 5"):
        ls.train(**run, **options | {"tasks_per_step": 5}, resume=True)
    with pytest.raises(ls.InputError, match="another model: MLP with another `activation`"):
        ls.restore(out, run["method"], other, ADAM)
    with pytest.raises(ls.InputError, match="another method: MAML with another `inner_lr`"):
        ls.restore(out, ls.MAML(ls.mse, 0.02), model, ADAM)
    with pytest.raises(ls.InputError, match="another optimiser: .*scale_by_adam"):
        ls.restore(out, run["method"], model, optax.sgd(1e-3))


def test_bad_settings_are_refused_at_once(model, getkey):
    for options, words in [
        ({"steps": 0}, "`steps=0`"),
        ({"log_every": 0}, "`log_every=0`"),
        ({"checkpoint_every": 0}, "`checkpoint_every=0`"),
        ({"tasks": 3}, "must be a distribution over tasks"),
    ]:
        with pytest.raises(ls.InputError, match=words):
            train(model, getkey(), **options)
    with pytest.raises(ls.InputError, match="nothing to train"):
        train(lambda x: x, getkey())
    with pytest.raises(ls.InputError, match="MAML: `inner_lr=nan`"):
        ls.MAML(ls.mse, float("nan"))


@pytest.mark.slow
def test_memory_does_not_grow_with_steps(model, getkey):
    key = getkey()
    train(model, key, steps=10, log_every=1)
    before = len(jax.live_arrays())
    train(model, key, steps=1000, log_every=1)
    assert len(jax.live_arrays()) - before < 10


def test_the_loss_falls(model, getkey):
    loss = train(model, getkey(), steps=2000, method=ls.Pooled(ls.mse)).metrics["loss"]
    assert loss[-20:].mean() < 0.9 * loss[:20].mean()


def written(line):
    """A function `f` of an edited file: of the same name, with another body."""
    module = {"jnp": jnp, "ls": ls, "jr": jr}
    exec(line, module)
    return module["f"]


class Waves(ls.Sinusoids):
    """Tasks of a user, with a function of theirs inside."""

    shape: Callable = eqx.field(static=True, default=jnp.sin)

    def draw(self, num_tasks, split, *, key):
        tasks = super().draw(num_tasks, split, key=key)
        return eqx.tree_at(lambda t: t.query.y, tasks, self.shape(tasks.query.y))


class Net(eqx.Module):
    """A model of a user, with a function of theirs inside."""

    inside: ls.MLP
    last: Callable = eqx.field(static=True)

    def __call__(self, x):
        return self.last(self.inside(x))


BODIES = (
    "def f(*a): return ls.mse(*a)",
    "def f(*a): return 2 * ls.mse(*a)",
    "def f(x): return 1 * x",
    "def f(x): return 3 * x",
)


@pytest.mark.slow
@pytest.mark.parametrize("part", ("loss", "model", "tasks"))
def test_a_function_with_another_body_is_not_resumed_and_one_that_computes_the_same_is(
    part, getkey, tmp_path
):
    key, options = getkey(), {"tasks_per_step": 2, "progress": False, "out": tmp_path / "run"}
    inside = ls.MLP(1, 1, width=4, key=getkey())

    def train(body, steps, **more):
        f = written(body)
        loss, last, shape = ls.mse, jax.nn.relu, jnp.sin
        loss, last, shape = {
            "loss": (f, last, shape),
            "model": (loss, f, shape),
            "tasks": (loss, last, f),
        }[part]
        run = {"method": ls.MAML(loss), "model": Net(inside, last), "tasks": Waves(shape=shape)}
        return ls.train(**run, optimiser=ADAM, key=key, steps=steps, **options, **more)

    first, other = BODIES[:2] if part == "loss" else BODIES[2:]
    words = "another way to draw tasks" if part == "tasks" else "another loss, model or other func"
    train(first, 2)
    with pytest.raises(ls.InputError, match=words) as caught:
        train(other, 4, resume=True)
    assert "\n" not in str(caught.value)
    assert train(f"{first}  # with a remark", 4, resume=True).steps == 4


def test_a_loop_of_known_length_takes_the_same_steps(model, getkey, monkeypatch):
    """As on a GPU, where steps after the end are computed and dropped."""
    options, key = {"steps": 41, "log_every": 20}, getkey()
    expected = train(model, key, **options)
    device = types.SimpleNamespace(**vars(jax) | {"default_backend": lambda: "gpu"})
    monkeypatch.setattr(_loop, "jax", device)
    monkeypatch.setattr(_train, "_advance", _train.compiled(inspect.unwrap(_train._advance)))
    trained = train(model, key, **options)
    assert_close(trained.model, expected.model, rtol=1e-5, atol=1e-6)
    assert_close(trained.metrics, expected.metrics, rtol=1e-5)
