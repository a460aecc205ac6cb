"""Measures environments and meta-reinforcement learning, alone and against Gymnasium with PyTorch, and writes what it
found as a page.

Usage: pip install torch==2.13.0 gymnasium==1.4.0 && python benchmarks/envs.py --out docs/results/benchmarks-envs

Ratios are within one run: all measurements take turns, each in a process of its own, and the best of all rounds counts.
Compile time stands apart. A step is one decision of one swimmer, whether it counts or lies between two trials.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from gym_reference import agreement, best_rate, gym_random_rate, torch_rate

BATCHES = (16, 64, 256, 1024, 4096)
HORIZON = 256
WIDTH = 128
SEEDS = 5


@dataclass(frozen=True)
class Benchmark:
    """Measures everything, or one thing in a process of its own."""

    out: Path = Path("docs/results/benchmarks-envs")
    """where the page goes"""
    rounds: int = 3
    """turns that each side takes"""
    worker: str = ""
    """what a process of its own measures, as JSON; for this program itself"""


# learnset, in processes of their own


def mazes(batch: int) -> Any:
    import jax.random as jr

    import learnset as ls

    return ls.envs.MatchingToPlace().draw(batch, ls.Split.TRAIN, key=jr.key(0))


def random_rate(batch: int, seconds: float) -> dict[str, float]:
    """The environment alone: a random swim, every observation computed."""
    import equinox as eqx
    import jax
    import jax.random as jr

    import learnset as ls

    envs, steps = mazes(batch), max(HORIZON, 2**17 // batch)

    @eqx.filter_jit
    def swim(envs: ls.envs.WaterMaze, key: Any) -> Any:
        def step(worlds: ls.envs.World, key: Any) -> Any:
            action = jr.randint(key, (batch,), 0, 8)
            go = jax.vmap(
                lambda env, world, action: ls.envs.advance(
                    env, world, action, endless=True, key=key
                )
            )
            worlds = go(envs, worlds, action)
            return worlds, worlds.percept.observation.sum() + worlds.percept.feedback.reward.sum()

        worlds = jax.vmap(lambda env: ls.envs.begin(env, key=key))(envs)
        return jax.lax.scan(step, worlds, jr.split(key, steps))[1].sum()

    began = time.perf_counter()
    swim(envs, jr.key(0)).block_until_ready()
    compiling = time.perf_counter() - began
    rate = best_rate(lambda: swim(envs, jr.key(0)).block_until_ready(), batch * steps, seconds)
    return {"rate": rate, "compile_seconds": compiling}


def acting_rate(batch: int, seconds: float) -> dict[str, float]:
    """Acting by the network, without learning."""
    import equinox as eqx
    import jax.random as jr

    import learnset as ls
    from learnset.core._lowering import fast_dots

    envs, agent = mazes(batch), new_agent()
    act = eqx.filter_jit(
        fast_dots(
            lambda a, e: ls.rl.rollout(a, e, HORIZON, endless=True, key=jr.key(0)).reward.sum()
        )
    )
    act(agent, envs).block_until_ready()
    return {
        "rate": best_rate(lambda: act(agent, envs).block_until_ready(), batch * HORIZON, seconds)
    }


def new_agent() -> Any:
    import jax.random as jr

    import learnset as ls

    return ls.rl.RecurrentAgent(
        ls.envs.MatchingToPlace().sample(ls.Split.TRAIN, key=jr.key(0)), width=WIDTH, key=jr.key(1)
    )


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
    runs = [trained(steps, batch, agent, jr.key(2)).seconds for _ in range(3)]
    return {"rate": steps * batch * HORIZON / min(runs), "compile_seconds": first.compile_seconds}


def seeds_rate(batch: int, seconds: float) -> dict[str, float]:
    """Seconds of five runs, one after another and together."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    keys, agent = jr.split(jr.key(2), SEEDS), new_agent()
    agents = jax.tree.map(
        lambda leaf: jnp.stack([leaf] * SEEDS) if eqx.is_array(leaf) else leaf, agent
    )
    alone, together = trained(1, batch, agent, keys[0]), trained(1, batch, agents, keys)
    steps, found = max(1, round(seconds / 4 / together.seconds)), {}
    found["alone_compile"], found["together_compile"] = (
        alone.compile_seconds,
        together.compile_seconds,
    )
    for _ in range(2):
        one = sum(trained(steps, batch, agent, key).seconds for key in keys)
        all_five = trained(steps, batch, agents, keys).seconds
        found["alone"] = min(found.get("alone", 1e9), one / steps)
        found["together"] = min(found.get("together", 1e9), all_five / steps)
    return found


def product_rate() -> dict[str, float]:
    """GFLOP/s of products of the network's own shape: what is sensed, by the weights of three gates."""
    import jax
    import jax.numpy as jnp

    many = jnp.ones((1024, 256)), jnp.ones((256, 3 * WIDTH))
    product = jax.jit(
        lambda a, b: jax.lax.fori_loop(0, 100, lambda i, a: (a @ b)[:, :256] * 1e-3, a)
    )
    product(*many).block_until_ready()
    rate = best_rate(lambda: product(*many).block_until_ready(), 100, 1.0)
    return {"gflops": rate * 2 * 1024 * 256 * 3 * WIDTH / 1e9}


WORKERS = {
    f.__name__: f
    for f in (
        random_rate,
        acting_rate,
        training_rate,
        seeds_rate,
        product_rate,
        agreement,
        gym_random_rate,
        torch_rate,
    )
}


def apart(function: str, **arguments: Any) -> dict[str, float]:
    """The result of a worker in a process of its own."""
    call = json.dumps([function, arguments])
    done = subprocess.run(
        [sys.executable, __file__, "--worker", call], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# The whole


def measure(rounds: int) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    best: dict[str, dict[str, float]] = {}

    def note(name: str, setting: str, found: dict[str, float]) -> None:
        best.setdefault(name, {})[setting] = max(
            best.get(name, {}).get(setting, 0.0), found["rate"]
        )
        print(f"{name}, {setting}: {found['rate']:,.0f} steps/s", flush=True)

    compiling: dict[str, float] = {}
    for _ in range(rounds):
        for batch in BATCHES:
            found = apart("training_rate", batch=batch, seconds=4)
            compiling[str(batch)] = found["compile_seconds"]
            note("training", str(batch), found)
            note("random", str(batch), apart("random_rate", batch=batch, seconds=1))
            note("acting", str(batch), apart("acting_rate", batch=batch, seconds=2))
            if batch <= 1024:
                for threads in (1, 2):
                    found = apart(
                        "torch_rate",
                        kind="numpy",
                        batch=batch,
                        threads=threads,
                        seconds=4,
                        horizon=HORIZON,
                    )
                    note(f"torch, NumPy, {threads} thread(s)", str(batch), found)
                note(
                    "random, NumPy",
                    str(batch),
                    apart("gym_random_rate", kind="numpy", batch=batch, seconds=1),
                )
        for batch in (16, 64):
            found = apart("torch_rate", kind="gym", batch=batch, threads=2, seconds=4, horizon=64)
            note("torch, SyncVectorEnv", str(batch), found)
            note(
                "random, SyncVectorEnv",
                str(batch),
                apart("gym_random_rate", kind="gym", batch=batch, seconds=1),
            )
    seeds = {str(batch): apart("seeds_rate", batch=batch, seconds=8) for batch in (16, 64)}
    print(seeds, flush=True)
    return {
        "rates": best,
        "compile": compiling,
        "seeds": seeds,
        "agreement": apart("agreement"),
        "gflops": apart("product_rate")["gflops"],
    }


GATES = 2 * 3 * WIDTH  # FLOP for each number that the three gates read
READ = 99 + 2 * 8 + 4
FLOPS = {
    "forward": GATES * (READ + WIDTH),
    "back through the memory": GATES * WIDTH,
    "gradients of the weights": GATES * (READ + WIDTH),
    "actor and critic, both ways": 3 * 2 * WIDTH * 8 + 2 * 2 * (WIDTH + 5) * 64,
}


def page(found: dict[str, Any]) -> str:
    """The page, all of its numbers from `found`."""
    rates = found["rates"]
    top = {name: max(line.values()) for name, line in rates.items()}
    ours = top["training"]
    torch = max(rate for name, rate in top.items() if name.startswith("torch, NumPy"))
    sync, gym = top["torch, SyncVectorEnv"], max(top["random, NumPy"], top["random, SyncVectorEnv"])
    table = [
        "| | " + " | ".join(f"{batch:,}" for batch in BATCHES) + " |",
        "|---|" + "---|" * len(BATCHES),
    ]
    for name, line in rates.items():
        cells = [f"{line[str(b)]:,.0f}" if str(b) in line else "" for b in BATCHES]
        table.append(f"| {name} | " + " | ".join(cells) + " |")
    table.append(
        "| seconds to compile | "
        + " | ".join(f"{found['compile'][str(b)]:.1f}" for b in BATCHES)
        + " |"
    )
    seeds = [
        "| tasks a seed | five runs, seconds a training step | together | ratio | compiling once | together |",
        "|---|---|---|---|---|---|",
    ]
    for batch, line in found["seeds"].items():
        ratio = line["alone"] / line["together"]
        compiles = f"{line['alone_compile']:.1f} s | {line['together_compile']:.1f} s"
        seeds.append(
            f"| {batch} | {line['alone']:.3f} | {line['together']:.3f} | {ratio:.2f}x | {compiles} |"
        )
    need = sum(FLOPS.values())
    parts = "; ".join(f"{name} {flops / 1e3:.0f}" for name, flops in FLOPS.items())
    floor, whole = need / found["gflops"] / 1e3, 1e6 / ours
    acting, alone = 1e6 / top["acting"], 1e6 / top["random"]
    trials, apart, gflops = (
        found["agreement"]["trials"],
        found["agreement"]["apart"],
        found["gflops"],
    )
    return f"""# Speed of environments and of meta-reinforcement learning

Made by `python benchmarks/envs.py`. The water maze, matching to place: 97 place cells and the heading are seen, one of
eight directions is swum in. Training is A2C with gated recurrent units ({WIDTH}) over {HORIZON} steps of each task, Adam, tasks
drawn anew in every training step. Two CPU cores. Each side's best of several turns, in steps a second.

- Training: **{ours:,.0f}** steps/s; PyTorch with the same environment in NumPy {torch:,.0f} (**{ours / torch:.1f}x**), and with
  `learnset/WaterMaze-v0` in Gymnasium's `SyncVectorEnv` {sync:,.0f} (**{ours / sync:.0f}x**).
- A random policy alone: **{top["random"]:,.0f}** steps/s, **{top["random"] / gym:.1f}x** the best through Gymnasium.

## Against batch size

Steps a second by number of tasks:

{chr(10).join(table)}

`torch, NumPy` steps all swimmers at once in NumPy, through Gymnasium's vector interface: the fastest form that it has.
In {trials:,} trials its observations were never more than {apart:.0e} from learnset's, and all trials ended in the same
steps. `SyncVectorEnv` steps one swimmer after another. PyTorch acts without gradient, and learns by its fused GRU over
the whole sequence.

## Where the time goes

A step of training needs {need / 1e3:.0f} kFLOP in products ({parts}).
Products of this shape run at {gflops:.0f} GFLOP/s here, so that they need {floor:.1f} µs at the least; the step takes
{whole:.1f} µs, {whole / floor:.1f} times as much. Acting alone takes {acting:.1f} µs, the environment alone {alone:.2f} µs.

## Seeds

{SEEDS} seeds trained by a vector of keys, against {SEEDS} runs one after another:

{chr(10).join(seeds)}
"""


def main(benchmark: Benchmark) -> None:
    """Measures and writes."""
    if benchmark.worker:
        function, arguments = json.loads(benchmark.worker)
        print(json.dumps(WORKERS[function](**arguments)))
        return
    found = measure(benchmark.rounds)
    benchmark.out.mkdir(parents=True, exist_ok=True)
    (benchmark.out / "result.json").write_text(json.dumps(found, indent=1) + "\n")
    (benchmark.out / "README.md").write_text(page(found))
    print((benchmark.out / "README.md").read_text())


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
