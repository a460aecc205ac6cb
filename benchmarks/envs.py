"""Measures environments and meta-reinforcement learning against Gymnasium with PyTorch.

Usage: pip install torch==2.13.0 gymnasium==1.4.0 && python benchmarks/envs.py

Ratios are within one run: all measurements take turns, each in a process of its own, and the best
of all rounds counts. Compile time is separate. A step is one decision of one swimmer, whether it
counts or lies between two trials.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Benchmark, in_own_process, least_seconds, run, table, timed

BATCHES = (16, 64, 256, 1024, 4096)
HORIZON, WIDTH, SEEDS = 256, 128, 5
GATES = 2 * 3 * WIDTH  # FLOP for each number that the three gates read
READ = 99 + 2 * 8 + 4
FLOPS = {
    "forward": GATES * (READ + WIDTH),
    "back through the memory": GATES * WIDTH,
    "gradients of the weights": GATES * (READ + WIDTH),
    "actor and critic, both ways": 3 * 2 * WIDTH * 8 + 2 * 2 * (WIDTH + 5) * 64,
}


# Workers


def best_rate(call: Callable[[], Any], steps: int, seconds: float) -> float:
    """Steps a second by the clock, of the fastest call."""
    return steps / least_seconds(call, seconds, time.perf_counter)


def mazes(batch: int) -> Any:
    import jax.random as jr

    import learnset as ls

    return ls.envs.MatchingToPlace().draw(batch, ls.Split.TRAIN, key=jr.key(0))


def new_agent() -> Any:
    import jax.random as jr

    import learnset as ls

    maze = ls.envs.MatchingToPlace().sample(ls.Split.TRAIN, key=jr.key(0))
    return ls.rl.RecurrentAgent(maze, width=WIDTH, key=jr.key(1))


def random_rate(batch: int, seconds: float) -> dict[str, float]:
    """The environment alone: a random swim, every observation computed."""
    import equinox as eqx
    import jax
    import jax.random as jr

    import learnset as ls

    envs, steps = mazes(batch), max(HORIZON, 2**17 // batch)

    @eqx.filter_jit
    def swim(envs: Any, key: Any) -> Any:
        def advance(env: Any, world: Any, action: Any, key: Any) -> Any:
            return ls.envs.advance(env, world, action, endless=True, key=key)

        def step(worlds: Any, key: Any) -> Any:
            action = jr.randint(key, (batch,), 0, 8)
            worlds = jax.vmap(advance, (0, 0, 0, None))(envs, worlds, action, key)
            return worlds, worlds.percept.observation.sum() + worlds.percept.feedback.reward.sum()

        worlds = jax.vmap(lambda env: ls.envs.begin(env, key=key))(envs)
        return jax.lax.scan(step, worlds, jr.split(key, steps))[1].sum()

    def call() -> Any:
        return swim(envs, jr.key(0)).block_until_ready()

    compiling, _ = timed(call, time.perf_counter)
    return {"rate": best_rate(call, batch * steps, seconds), "compile_seconds": compiling}


def acting_rate(batch: int, seconds: float) -> dict[str, float]:
    """Acting by the network, without learning."""
    import equinox as eqx
    import jax.random as jr

    import learnset as ls

    envs, agent = mazes(batch), new_agent()

    def reward(agent: Any, envs: Any) -> Any:
        return ls.rl.rollout(agent, envs, HORIZON, endless=True, key=jr.key(0)).reward.sum()

    act = eqx.filter_jit(ls.core.fast_dots(reward))
    rate = best_rate(lambda: act(agent, envs).block_until_ready(), batch * HORIZON, seconds)
    return {"rate": rate}


def trained(steps: int, batch: int, agent: Any, key: Any) -> Any:
    import optax

    import learnset as ls

    method, days = ls.rl.A2C(horizon=HORIZON, endless=True), ls.envs.MatchingToPlace()
    options = {"tasks_per_step": batch, "log_every": 1, "progress": False}
    return ls.train(method, agent, days, optax.adam(1e-3), steps=steps, key=key, **options)


def training_rate(batch: int, seconds: float) -> dict[str, float]:
    """A2C with a GRU: acting, the gradient, and Adam."""
    import jax.random as jr

    agent = new_agent()
    first = trained(1, batch, agent, jr.key(2))
    steps = max(1, round(seconds / 3 / first.seconds))
    least = min(trained(steps, batch, agent, jr.key(2)).seconds for _ in range(3))
    return {"rate": steps * batch * HORIZON / least, "compile_seconds": first.compile_seconds}


def seeds_rate(batch: int, seconds: float) -> dict[str, float]:
    """Seconds of a step of five runs, one after another and together."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    keys, agent = jr.split(jr.key(2), SEEDS), new_agent()
    agents = jax.tree.map(
        lambda leaf: jnp.stack([leaf] * SEEDS) if eqx.is_array(leaf) else leaf, agent
    )
    alone, together = trained(1, batch, agent, keys[0]), trained(1, batch, agents, keys)
    steps = max(1, round(seconds / 4 / together.seconds))
    one, all_seeds = [], []
    for _ in range(2):
        one.append(sum(trained(steps, batch, agent, key).seconds for key in keys))
        all_seeds.append(trained(steps, batch, agents, keys).seconds)
    return {
        "alone_compile": alone.compile_seconds,
        "together_compile": together.compile_seconds,
        "alone": min(one) / steps,
        "together": min(all_seeds) / steps,
    }


def product_rate() -> dict[str, float]:
    """GFLOP/s of products of the network's own shape: its inputs by the weights of three gates."""
    import jax
    import jax.numpy as jnp

    inputs, weights = jnp.ones((1024, 256)), jnp.ones((256, 3 * WIDTH))
    product = jax.jit(
        lambda a, b: jax.lax.fori_loop(0, 100, lambda i, a: (a @ b)[:, :256] * 1e-3, a)
    )
    rate = best_rate(lambda: product(inputs, weights).block_until_ready(), 100, 1.0)
    return {"gflops": rate * 2 * 1024 * 256 * 3 * WIDTH / 1e9}


# The whole


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    from gym_reference import agreement, gym_random_rate, torch_rate

    best: dict[str, dict[str, float]] = {}
    compiling: dict[str, float] = {}

    def note(name: str, worker: Any, batch: int, **setting: Any) -> dict[str, float]:
        result = in_own_process(worker, batch=batch, **setting)
        rates, rate = best.setdefault(name, {}), result["rate"]
        rates[str(batch)] = max(rates.get(str(batch), 0.0), rate)
        print(f"{name}, {batch}: {rate:,.0f} steps/s", flush=True)
        return result

    for _ in range(benchmark.rounds):
        for batch in BATCHES:
            training = note("training", training_rate, batch, seconds=4)
            compiling[str(batch)] = training["compile_seconds"]
            note("random", random_rate, batch, seconds=1)
            note("acting", acting_rate, batch, seconds=2)
            if batch > 1024:
                continue
            numpy = {"kind": "numpy", "seconds": 4, "horizon": HORIZON}
            for threads in (1, 2):
                name = f"torch, NumPy, {threads} thread(s)"
                note(name, torch_rate, batch, threads=threads, **numpy)
            note("random, NumPy", gym_random_rate, batch, kind="numpy", seconds=1)
        for batch in (16, 64):
            gym = {"kind": "gym", "threads": 2, "seconds": 4, "horizon": 64}
            note("torch, SyncVectorEnv", torch_rate, batch, **gym)
            note("random, SyncVectorEnv", gym_random_rate, batch, kind="gym", seconds=1)
    return {
        "rates": best,
        "compile": compiling,
        "seeds": {str(n): in_own_process(seeds_rate, batch=n, seconds=8) for n in (16, 64)},
        "agreement": in_own_process(agreement),
        "gflops": in_own_process(product_rate)["gflops"],
    }


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    top = {name: max(of.values()) for name, of in result["rates"].items()}
    ours, gflops = top["training"], result["gflops"]
    torch = max(rate for name, rate in top.items() if name.startswith("torch, NumPy"))
    sync = top["torch, SyncVectorEnv"]
    gym = max(top["random, NumPy"], top["random, SyncVectorEnv"])
    need = sum(FLOPS.values())
    parts = "; ".join(f"{name} {flops / 1e3:.0f}" for name, flops in FLOPS.items())
    floor, whole = need / gflops / 1e3, 1e6 / ours
    acting, alone = 1e6 / top["acting"], 1e6 / top["random"]
    trials, difference = result["agreement"]["trials"], result["agreement"]["apart"]
    return f"""# Speed of environments and of meta-reinforcement learning

Made by `python benchmarks/envs.py`. The water maze, matching to place: an observation is 97 place
cells and the heading, an action one of eight directions. Training is A2C with gated recurrent units
({WIDTH}) over {HORIZON} steps of each task, Adam, tasks drawn anew in every training step. Two CPU
cores. Each side's best of several turns, in steps a second.

- Training: **{ours:,.0f}** steps/s; PyTorch with the same environment in NumPy {torch:,.0f}
  (**{ours / torch:.1f}×**), and with `learnset/WaterMaze-v0` in Gymnasium's `SyncVectorEnv`
  {sync:,.0f} (**{ours / sync:.0f}×**).
- A random policy alone: **{top["random"]:,.0f}** steps/s, **{top["random"] / gym:.1f}×** the best
  through Gymnasium.

## Against batch size

Steps a second by number of tasks:

{_rates(result["rates"], result["compile"])}

`torch, NumPy` steps all swimmers at once in NumPy, through Gymnasium's vector interface: its
fastest form. In {trials:,} trials its observations never differed by more than {difference:.0e}
from those of learnset, and all trials ended in the same steps. `SyncVectorEnv` steps one swimmer
after another. PyTorch acts without gradient, and learns by its fused GRU over the whole sequence.

## Where the time goes

A step of training needs {need / 1e3:.0f} kFLOP in products ({parts}). Products of this shape run at
{gflops:.0f} GFLOP/s here, so that they need at least {floor:.1f} µs; the step takes {whole:.1f} µs,
{whole / floor:.1f} times as much. Acting alone takes {acting:.1f} µs, the environment alone
{alone:.2f} µs.

## Seeds

{SEEDS} seeds trained by a vector of keys, against {SEEDS} runs one after another:

{_seeds(result["seeds"])}
"""


def _rates(rates: dict[str, dict[str, float]], compiling: dict[str, float]) -> str:
    batches = [str(batch) for batch in BATCHES]
    rows = [
        [name, *(f"{of[batch]:,.0f}" if batch in of else "" for batch in batches)]
        for name, of in rates.items()
    ]
    rows.append(["seconds to compile", *(f"{compiling[batch]:.1f}" for batch in batches)])
    return table(["", *(f"{batch:,}" for batch in BATCHES)], rows)


def _seeds(seeds: dict[str, dict[str, float]]) -> str:
    head = ["tasks a seed", "five runs, seconds a training step", "together", "ratio"]
    rows = (
        [
            batch,
            f"{of['alone']:.3f}",
            f"{of['together']:.3f}",
            f"{of['alone'] / of['together']:.2f}×",
            f"{of['alone_compile']:.1f} s",
            f"{of['together_compile']:.1f} s",
        ]
        for batch, of in seeds.items()
    )
    return table([*head, "compiling once", "together"], rows)


if __name__ == "__main__":
    from gym_reference import agreement, gym_random_rate, torch_rate

    run(
        Benchmark(Path("docs/results/benchmarks-envs"), rounds=3),
        (
            random_rate,
            acting_rate,
            training_rate,
            seeds_rate,
            product_rate,
            agreement,
            gym_random_rate,
            torch_rate,
        ),
        measure,
        page,
    )
