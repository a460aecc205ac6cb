"""Measures the training loop against plain PyTorch, and writes what it found as a page.

Usage: pip install torch==2.13.0 && python benchmarks/run.py --out docs/results/benchmarks

Ratios are within one run: JAX (each setting in a process of its own) and PyTorch take turns, and the best of all rounds
counts for each. Compile time stands apart.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

GRID = [(tasks, steps) for steps in (1, 5, 10) for tasks in (1, 5, 20, 100, 500)]
METHODS = (
    "Pooled",
    "MAML",
    "FOMAML",
    "Reptile",
    "ANIL",
    "MetaSGD",
    "CAVIA",
    "IMAML",
    "R2D2",
    "CNP",
)


@dataclass(frozen=True)
class Benchmark:
    """Measures everything, or one thing in a process of its own."""

    out: Path = Path("docs/results/benchmarks")
    """where the page goes"""
    rounds: int = 2
    """turns that each side takes"""
    worker: str = ""
    """what a process of its own measures, as JSON; for this program itself"""


# In processes of their own


def jax_rate(tasks: int, inner_steps: int, seconds: float, plain: bool = False) -> dict[str, float]:
    """Steps a second of `learnset.train` with second-order MAML."""
    import jax.random as jr
    import optax

    import learnset as ls
    from learnset import _train

    if plain:  # the simple form: no product rewritten, and tasks drawn step by step
        _train.fast_dots = lambda function: function
        _train.DRAWN_AHEAD = 1
    model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))
    method, adam = ls.MAML(ls.mse, inner_lr=0.01 / inner_steps, steps=inner_steps), optax.adam(1e-3)

    window = max(8, min(256, 6400 // (tasks * inner_steps)))

    def run(steps: int) -> ls.training.Trained:
        options = {"tasks_per_step": tasks, "log_every": window, "progress": False}
        return ls.train(method, model, ls.Sinusoids(), adam, steps=steps, key=jr.key(1), **options)

    first = run(window)
    steps = max(window, int(window / first.seconds * seconds / 3))
    best = max(steps / run(steps).seconds for _ in range(3))
    return {"rate": best, "compile_seconds": first.compile_seconds}


def compile_times() -> dict[str, float]:
    """Seconds to compile a training loop, for each method."""
    import equinox as eqx
    import jax.random as jr
    import optax

    import learnset as ls

    model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))
    methods = {
        "Pooled": (ls.Pooled(), model),
        "MAML": (ls.MAML(), model),
        "FOMAML": (ls.MAML(unroll=ls.transfer.Unroll.FIRST_ORDER), model),
        "Reptile": (ls.Reptile(), model),
        "ANIL": (ls.ANIL(), model),
        "MetaSGD": (ls.MetaSGD(), ls.meta.WithRates(model)),
        "CAVIA": (ls.CAVIA(), ls.meta.WithContext(model.extend_inputs(5, key=jr.key(1)), 5)),
        "IMAML": (ls.IMAML(), model),
        "R2D2": (ls.R2D2(), ls.meta.WithRidge(model)),
        "CNP": (ls.CNP(), ls.models.ConditionalNeuralProcess(1, 1, key=jr.key(2))),
    }
    eqx.filter_jit(lambda m: m(jr.normal(jr.key(0), (1,))))(
        model
    )  # what only the first compilation of a process pays
    return {
        name: ls.train(
            method, m, ls.Sinusoids(), optax.adam(1e-3), steps=1, key=jr.key(3), progress=False
        ).compile_seconds
        for name, (method, m) in methods.items()
    }


def memory() -> dict[str, dict[str, float]]:
    """MiB that the meta-gradient of 25 tasks needs beside its arguments, by XLA's own account."""
    import equinox as eqx
    import jax.random as jr

    import learnset as ls

    model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))
    batch = ls.Sinusoids().draw(25, ls.Split.TRAIN, key=jr.key(1))
    found: dict[str, dict[str, float]] = {}
    for unroll in ls.transfer.Unroll:
        for steps in (1, 10, 50):
            method = ls.MAML(ls.mse, 1e-3, steps, unroll)
            program = eqx.filter_jit(
                lambda m, b, method=method: method.gradient(m, b, None, key=jr.key(0))[0]
            )
            analysis = program.lower(model, batch).compile().compiled.memory_analysis()
            found.setdefault(unroll.value, {})[str(steps)] = analysis.temp_size_in_bytes / 2**20
    return found


def flat_memory() -> dict[str, float]:
    """MiB of arrays alive, and of the process, after 1 000 and after 11 000 steps."""
    import resource

    import jax
    import jax.random as jr
    import optax

    import learnset as ls

    found, adam, model = {}, optax.adam(1e-3), ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))
    for steps in (1_000, 10_000):
        ls.train(
            ls.MAML(),
            model,
            ls.Sinusoids(),
            adam,
            steps=steps,
            key=jr.key(1),
            log_every=100,
            progress=False,
        )
        found[f"arrays {steps}"] = sum(array.nbytes for array in jax.live_arrays()) / 2**20
        found[f"process {steps}"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return found


def product_rate() -> dict[str, float]:
    """GFLOP/s of a large matrix product."""
    import jax
    import jax.numpy as jnp

    a, product = jnp.ones((1024, 1024)), jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    best = 0.0
    for _ in range(20):
        began = time.perf_counter()
        product(a, a).block_until_ready()
        best = max(best, 2 * 1024**3 / (time.perf_counter() - began) / 1e9)
    return {"gflops": best}


WORKERS = {f.__name__: f for f in (jax_rate, compile_times, memory, flat_memory, product_rate)}


def apart(
    function: str, *, threads: int = 0, cache: Path | None = None, **arguments: float
) -> dict:
    """The result of a worker in a process of its own; `threads` is the size of XLA's pool, 0 for its default."""
    environment = dict(os.environ) | ({"NPROC": str(threads)} if threads else {})
    if cache is not None:
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
    call = json.dumps([function, arguments])
    done = subprocess.run(
        [sys.executable, __file__, "--worker", call],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# The whole


def measure(rounds: int) -> dict:
    """All measurements, as plain numbers."""
    from torch_reference import torch_loop, torch_vmap

    best: dict[str, float] = {}

    def note(name: str, rate: float) -> None:
        best[name] = max(best.get(name, 0.0), rate)
        print(f"{name}: {rate:,.0f} steps/s", flush=True)

    for _ in range(rounds):
        note(
            "learnset, one thread",
            apart("jax_rate", threads=1, tasks=25, inner_steps=1, seconds=2)["rate"],
        )
        note("torch.func vmap, 1 thread", torch_vmap(threads=1, seconds=2))
        note(
            "learnset, XLA's default threads",
            apart("jax_rate", tasks=25, inner_steps=1, seconds=2)["rate"],
        )
        note("torch.func vmap, 2 threads", torch_vmap(threads=2, seconds=2))
        note(
            "simple form, one thread",
            apart("jax_rate", threads=1, tasks=25, inner_steps=1, seconds=2, plain=True)["rate"],
        )
        note("torch loop over tasks", torch_loop(seconds=2))
    grid = []
    for tasks, steps in GRID:
        ours = apart("jax_rate", threads=1, tasks=tasks, inner_steps=steps, seconds=0.6)["rate"]
        batched = max(
            torch_vmap(tasks, inner_steps=steps, threads=threads, seconds=0.5) for threads in (1, 2)
        )
        loop = torch_loop(tasks, inner_steps=steps, seconds=0.5) if tasks <= 100 else None
        grid.append(
            {"tasks": tasks, "inner_steps": steps, "learnset": ours, "vmap": batched, "loop": loop}
        )
        print(grid[-1], flush=True)
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (apart("compile_times", cache=Path(cache)) for _ in range(2))
    return {
        "main": best,
        "grid": grid,
        "compile": {"cold": cold, "warm": warm},
        "memory": apart("memory"),
        "flat_memory": apart("flat_memory"),
        "gflops": {
            "one thread": apart("product_rate", threads=1)["gflops"],
            "two": apart("product_rate")["gflops"],
        },
    }


FLOPS = (
    12 * 2 * 250 * 40 * 40
)  # twelve products of (25 x 10, 40) with (40, 40) in one second-order step; the rest is small


def page(found: dict) -> str:
    """The page, all of its numbers from `found`."""
    main = found["main"]
    best_torch = max(main["torch.func vmap, 1 thread"], main["torch.func vmap, 2 threads"])
    rows = [
        "| training step | steps/s | µs a step | against torch.func | against the loop |",
        "|---|---|---|---|---|",
    ]
    for name, rate in sorted(main.items(), key=lambda item: -item[1]):
        against = f"{rate / best_torch:.1f}× | {rate / main['torch loop over tasks']:.0f}×"
        rows.append(f"| {name} | {rate:,.0f} | {1e6 / rate:,.0f} | {against} |")
    grid = [
        "| inner steps | tasks | µs a task | torch.func | torch loop | against torch.func |",
        "|---|---|---|---|---|---|",
    ]
    for g in found["grid"]:
        ours, batched = 1e6 / g["learnset"] / g["tasks"], 1e6 / g["vmap"] / g["tasks"]
        loop = f"{1e6 / g['loop'] / g['tasks']:,.0f}" if g["loop"] else ""
        cells = f"{ours:.1f} | {batched:,.0f} | {loop} | {batched / ours:.1f}×"
        grid.append(f"| {g['inner_steps']} | {g['tasks']} | {cells} |")
    times = ["| method | first start | second start |", "|---|---|---|"]
    times += [
        f"| {m} | {found['compile']['cold'][m]:.1f} s | {found['compile']['warm'][m]:.1f} s |"
        for m in METHODS
    ]
    sizes = ["| inner steps | exact | remat | first order |", "|---|---|---|---|"]
    for steps in ("1", "10", "50"):
        sizes.append(
            f"| {steps} | "
            + " | ".join(f"{found['memory'][u][steps]:.1f} MiB" for u in found["memory"])
            + " |"
        )
    rate, gflops, flat = main["learnset, one thread"], found["gflops"], found["flat_memory"]
    floor = FLOPS / gflops["one thread"] / 1e3
    needed = 1e6 / (20 * best_torch), 1e6 / (150 * main["torch loop over tasks"])
    return f"""# Speed

Made by `python benchmarks/run.py`. Second-order MAML on sinusoids, one inner step, 25 tasks of 10 + 10 points, 40-40 net,
Adam, tasks drawn anew in every step; two CPU cores. Each side's best of several turns.

{chr(10).join(rows)}

## Where the time goes

The products of one step are {FLOPS / 1e6:.1f} MFLOP. A large product runs at {gflops["one thread"]:.0f} GFLOP/s on one
thread ({gflops["two"]:.0f} on two), so that they need {floor:.0f} µs at the least; the step takes {1e6 / rate:.0f} µs,
{1e6 / rate / floor:.1f} times as much. Twenty times torch.func would be {needed[0]:.0f} µs and 150 times the loop
{needed[1]:.0f} µs: {floor / needed[0]:.0%} and {floor / needed[1]:.0%} of the peak of one core, for products of 10 x 40 x 40
each, with drawing, losses and Adam for nothing. That was not reached. What was found on the way, measured step by step:

- *Products.* XLA's fast kernels take left (batch, m, k) times right (batch, k, n) only; weight gradients come otherwise.
  `learnset._lowering.fast_dots` rewrites them after `grad` and `vmap`. A result that is only transposed is computed so.
- *Random numbers.* XLA's generator costs the same for few numbers as for many: tasks of 32 steps are drawn at once, by
  one call. Faster generators (`rbg`) gained nothing.
- *Threads.* At this size XLA loses more to handing work over than a second core gains: `NPROC=1`, set before Python
  starts, is worth a few tenths for small networks, and is left to the user, since large ones want all cores.
- *No gain*: fast mathematics, vector width, fusion and scheduling options of XLA; a flat parameter vector for Adam;
  forward-over-reverse derivatives; one process for each core.

## Tasks and inner steps

One thread for XLA; torch.func at the better of one and two. µs a task, for one training step:

{chr(10).join(grid)}

## Compiling

A second process finds programs in JAX's persistent cache, which the command keeps by default. What remains is tracing.

{chr(10).join(times)}

## Memory

Of the meta-gradient of 25 tasks, beside parameters and data:

{chr(10).join(sizes)}

Arrays alive after 1 000 and after 10 000 more steps: {flat["arrays 1000"]:.2f} and {flat["arrays 10000"]:.2f} MiB; the
process at its largest {flat["process 1000"]:,.0f} and {flat["process 10000"]:,.0f} MiB.
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
