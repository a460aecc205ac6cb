"""Balancers in `train`: what they remember is saved with the run, and a run that was cut goes on bit for bit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest

import learnset as ls

NUM = 5
TASKS = ls.FiniteTasks.from_family(ls.Sinusoids(), num_tasks=NUM, points=20, key=jr.key(0))
MODEL = ls.MLP(1, 1, width=4, depth=1, activation=jnp.tanh, key=jr.key(1))
ADAM = optax.adam(1e-2)

FORGETFUL = {
    "sum": ls.multitask.Sum(),
    "fixed weights": ls.multitask.FixedWeights(weights=jnp.ones(NUM)),
    "gls": ls.multitask.GLS(),
    "rlw": ls.multitask.RLW(),
    "cosmos": ls.multitask.COSMOS(),
    "pbi": ls.multitask.PBI(),
    "graddrop": ls.multitask.GradDrop(),
    "trimmed mean": ls.multitask.TrimmedMean(),
}
REMEMBERING = {
    "uw": ls.UW(num_tasks=NUM),
    "imtl-l": ls.multitask.IMTLL(num_tasks=NUM),
    "dwa": ls.multitask.DWA(num_tasks=NUM, window=1),
    "stch": ls.multitask.STCH(num_tasks=NUM, warmup=1, window=1),
    "famo": ls.FAMO(num_tasks=NUM),
    "gradnorm": ls.GradNorm(num_tasks=NUM),
    "moco": ls.multitask.MoCo(num_tasks=NUM),
    "db-mtl": ls.multitask.DBMTL(num_tasks=NUM),
    "excessmtl": ls.multitask.ExcessMTL(num_tasks=NUM),
    "metabalance": ls.multitask.MetaBalance(num_tasks=NUM),
    "auto-lambda": ls.multitask.AutoLambda(num_tasks=NUM),
    "moml": ls.multitask.MOML(num_tasks=NUM),
    "forum": ls.multitask.FORUM(num_tasks=NUM, inner_lr=0.02),
}


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Nearly all the time here is compilation."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def train(method, **options):
    return ls.train(
        method,
        MODEL,
        TASKS,
        ADAM,
        **({"steps": 4, "key": jr.key(2), "tasks_per_step": 3, "log_every": 2} | options),
    )


@pytest.mark.parametrize("name", FORGETFUL)
def test_a_balancer_without_memory_trains(name):
    run = train(FORGETFUL[name])
    assert run.state is None and jnp.isfinite(run.metrics["loss"]).all()
    assert not eqx.tree_equal(run.model, MODEL)


@pytest.mark.parametrize("name", REMEMBERING)
def test_a_run_that_was_cut_goes_on_with_what_was_remembered(name, tmp_path):
    method = REMEMBERING[name]
    uncut = train(method)
    train(method, steps=2, out=tmp_path / "cut")
    resumed = train(method, out=tmp_path / "cut", resume=True)
    assert eqx.tree_equal((resumed.model, resumed.state), (uncut.model, uncut.state))
    assert not eqx.tree_equal(uncut.state, method.init(MODEL))


def test_two_seeds_at_once_are_one_after_the_other():
    keys = jr.split(jr.key(3), 2)
    method, options = REMEMBERING["famo"], {"log_every": 4}
    mapped = eqx.filter_vmap(lambda key: train(method, key=key, **options))(keys)
    for i in range(2):
        alone = train(method, key=keys[i], **options)
        for a, b in zip(
            *(jax.tree.leaves(eqx.filter(r.model, eqx.is_array)) for r in (mapped, alone)),
            strict=True,
        ):
            assert jnp.allclose(a[i], b, rtol=1e-3, atol=1e-5)


def test_a_task_without_a_number_stops_training_where_each_task_is_remembered():
    with pytest.raises(ls.DivergedError):
        ls.train(ls.UW(num_tasks=NUM), MODEL, ls.Sinusoids(), ADAM, steps=2, key=jr.key(2))
