"""Measures the training loop against plain PyTorch, and writes the page.

Usage: pip install torch==2.13.0 && python benchmarks/run.py training

Ratios are within one run: JAX (each setting in a process of its own) and PyTorch take turns, and
the best of all rounds counts for each. Compile time is separate.
"""

import importlib
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import Benchmark, in_own_process, least_seconds, run, table

GRID = [(tasks, steps) for steps in (1, 5, 10) for tasks in (1, 5, 20, 100, 500)]
MANY = (25, 1_000, 10_000)  # tasks a step, for memory and the cost of a task
GRID += [(tasks, 1) for tasks in MANY[1:]]
UNROLLED = (1, 10, 50)  # inner steps
MIB = 2**20
# Twelve products of (25 x 10, 40) with (40, 40) in one second-order step; the rest is small.
FLOPS = 12 * 2 * 250 * 40 * 40


def network() -> Any:
    import jax.random as jr

    import learnset as ls

    return ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))


# Workers


def jax_rate(tasks: int, inner_steps: int, seconds: float, plain: bool = False) -> dict[str, float]:
    """Steps a second of `learnset.train` with second-order MAML.

    `plain` is the simple form: no product rewritten, and tasks drawn step by step.
    """
    import jax.random as jr
    import optax

    import learnset as ls

    if plain:
        for module, name, simple in (
            ("_train", "fast_dots", lambda function: function),
            ("_loop", "DRAWN_AHEAD", 1),
        ):
            part = importlib.import_module(f"learnset.training.{module}")
            assert hasattr(part, name)  # it would be measured with the fast form otherwise
            setattr(part, name, simple)
    model, adam = network(), optax.adam(1e-3)
    method = ls.MAML(ls.mse, inner_lr=0.01 / inner_steps, steps=inner_steps)
    window = max(8, min(256, 6400 // (tasks * inner_steps)))

    def trained(steps: int) -> Any:
        options = {"tasks_per_step": tasks, "log_every": window, "progress": False}
        return ls.train(method, model, ls.Sinusoids(), adam, steps=steps, key=jr.key(1), **options)

    first = trained(window)
    steps = max(window, int(window / first.seconds * seconds / 3))
    rate = max(steps / trained(steps).seconds for _ in range(3))
    return {"rate": rate, "compile_seconds": first.compile_seconds}


def compile_times() -> dict[str, float]:
    """Seconds to compile a training loop, for each method."""
    import equinox as eqx
    import jax.random as jr
    import optax

    import learnset as ls

    model = network()
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
    # Only the first compilation of a process pays for some things: they are paid here.
    eqx.filter_jit(lambda m: m(jr.normal(jr.key(0), (1,))))(model)
    options = {"steps": 1, "key": jr.key(3), "progress": False}
    return {
        name: ls.train(method, start, ls.Sinusoids(), optax.adam(1e-3), **options).compile_seconds
        for name, (method, start) in methods.items()
    }


def memory() -> dict[str, dict[str, float]]:
    """MiB that the meta-gradient of 25 tasks needs in addition to its arguments, as XLA counts."""
    import equinox as eqx
    import jax.random as jr

    import learnset as ls

    model, sizes = network(), {}
    batch = ls.Sinusoids().draw(25, ls.Split.TRAIN, key=jr.key(1))
    for unroll in ls.transfer.Unroll:
        for steps in UNROLLED:
            method = ls.MAML(ls.mse, 1e-3, steps, unroll)
            program = eqx.filter_jit(
                lambda m, b, method=method: method.gradient(m, b, None, key=jr.key(0))[0]
            )
            analysis = program.lower(model, batch).compile().compiled.memory_analysis()
            sizes.setdefault(unroll.value, {})[str(steps)] = analysis.temp_size_in_bytes / MIB
    return sizes


def memory_of_tasks() -> dict[str, float]:
    """MiB that the meta-gradient of many tasks needs in addition to its arguments, by tasks."""
    import equinox as eqx
    import jax
    import jax.random as jr

    import learnset as ls

    def of(count: int) -> float:
        batch = jax.eval_shape(lambda: ls.Sinusoids().draw(count, ls.Split.TRAIN, key=jr.key(1)))
        program = eqx.filter_jit(
            lambda m, b: ls.MAML(ls.mse).gradient(m, b, None, key=jr.key(0))[0]
        )
        analysis = program.lower(network(), batch).compile().compiled.memory_analysis()
        return analysis.temp_size_in_bytes / MIB

    return {str(count): of(count) for count in MANY}


def flat_memory() -> dict[str, float]:
    """MiB of arrays alive, and of the process, after 1 000 and after 11 000 steps."""
    import resource

    import jax
    import jax.random as jr
    import optax

    import learnset as ls

    sizes, adam, model = {}, optax.adam(1e-3), network()
    options = {"key": jr.key(1), "log_every": 100, "progress": False}
    for steps in (1_000, 10_000):
        ls.train(ls.MAML(), model, ls.Sinusoids(), adam, steps=steps, **options)
        sizes[f"arrays {steps}"] = sum(array.nbytes for array in jax.live_arrays()) / MIB
        sizes[f"process {steps}"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return sizes


def product_rate() -> dict[str, float]:
    """GFLOP/s of a large matrix product."""
    import jax
    import jax.numpy as jnp

    a, product = jnp.ones((1024, 1024)), jax.jit(jnp.matmul)
    took = least_seconds(lambda: product(a, a).block_until_ready(), 0.5, time.perf_counter)
    return {"gflops": 2 * 1024**3 / took / 1e9}


# The whole


def with_threads(count: int) -> dict[str, str]:
    """The size of XLA's pool; without it, its default."""
    return {"NPROC": str(count)}


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    from torch_reference import torch_loop, torch_vmap

    best: dict[str, float] = {}

    def note(name: str, rate: float) -> None:
        best[name] = max(best.get(name, 0.0), rate)
        print(f"{name}: {rate:,.0f} steps/s", flush=True)

    def ours(environment: dict[str, str], seconds: float = 2.0, **setting: Any) -> float:
        sizes = {"tasks": 25, "inner_steps": 1} | setting
        return in_own_process(jax_rate, environment, seconds=seconds, **sizes)["rate"]

    one = with_threads(1)
    for _ in range(benchmark.rounds):
        note("learnset, one thread", ours(one))
        note("torch.func vmap, 1 thread", torch_vmap(threads=1, seconds=2))
        note("learnset, XLA's default threads", ours({}))
        note("torch.func vmap, 2 threads", torch_vmap(threads=2, seconds=2))
        note("simple form, one thread", ours(one, plain=True))
        note("torch loop over tasks", torch_loop(seconds=2))
    grid = []
    for tasks, steps in GRID:
        setting = {"tasks": tasks, "inner_steps": steps}
        vmap = [torch_vmap(**setting, threads=threads, seconds=0.5) for threads in (1, 2)]
        loop = torch_loop(**setting, seconds=0.5) if tasks <= 100 else None
        rate = ours(one, 0.6, **setting)
        grid.append(setting | {"learnset": rate, "vmap": max(vmap), "loop": loop})
        print(grid[-1], flush=True)
    with tempfile.TemporaryDirectory() as cache:
        kept = {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        cold, warm = (in_own_process(compile_times, kept) for _ in range(2))
    return {
        "main": best,
        "grid": grid,
        "compile": {"cold": cold, "warm": warm},
        "memory": in_own_process(memory),
        "memory_of_tasks": in_own_process(memory_of_tasks),
        "flat_memory": in_own_process(flat_memory),
        "gflops": {
            "one thread": in_own_process(product_rate, one)["gflops"],
            "two": in_own_process(product_rate)["gflops"],
        },
    }


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """Ours against the best torch form, by tasks a step."""
    cells = [cell for cell in result["grid"] if cell["inner_steps"] == 1]
    return {f"{c['tasks']} tasks": c["learnset"] / max(c["vmap"], c["loop"] or 0) for c in cells}


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    main = result["main"]
    rate, loop = main["learnset, one thread"], main["torch loop over tasks"]
    best_torch = max(main["torch.func vmap, 1 thread"], main["torch.func vmap, 2 threads"])
    gflops, flat = result["gflops"], result["flat_memory"]
    floor = FLOPS / gflops["one thread"] / 1e3
    needed = 1e6 / (20 * best_torch), 1e6 / (150 * loop)
    return f"""# Speed

Made by `python benchmarks/run.py training`. Second-order MAML on sinusoids, one inner step, 25
tasks of 10 + 10 points, 40-40 net, Adam, tasks drawn anew in every step; two CPU cores. Each side's
best of several turns.

{_rates(main, best_torch)}

## Where the time goes

The products of one step are {FLOPS / 1e6:.1f} MFLOP. A large product runs at
{gflops["one thread"]:.0f} GFLOP/s on one thread ({gflops["two"]:.0f} on two), so that they need at
least {floor:.0f} µs; the step takes {1e6 / rate:.0f} µs, {1e6 / rate / floor:.1f} times as much.
Twenty times torch.func would be {needed[0]:.0f} µs, and 150 times the loop {needed[1]:.0f} µs:
{floor / needed[0]:.0%} and {floor / needed[1]:.0%} of the peak of one core, for products of
10 x 40 x 40 each, with drawing, losses and Adam for nothing. That was not reached. Measured step by
step on the way:

- *Products.* XLA's fast kernels take left (batch, m, k) times right (batch, k, n) only; weight
  gradients come otherwise. `learnset.core.fast_dots` rewrites them after `grad` and `vmap`. A
  result that is only transposed is computed transposed.
- *Tiles.* Tasks are taken in tiles whose arrays fit the cache, and large ones one after the other
  (`learnset/core/_tiles.py`): the cost of a task does not rise with their number.
- *Random numbers.* XLA's generator costs the same for few numbers as for many: tasks of 32 steps
  are drawn at once, by one call. Faster generators (`rbg`) gained nothing.
- *Threads.* At this size XLA loses more by handing work over than a second core gains: `NPROC=1`,
  set before Python starts, gains some tenths for small networks. It is left to the user, since
  large networks want all cores.
- *No gain*: fast mathematics, vector width, fusion and scheduling options of XLA; a flat parameter
  vector for Adam; forward-over-reverse derivatives; one process for each core; the gradient written
  by hand so that no task's weights are formed (they are of low rank in its points), biases are part
  of products, the first layer is an outer product, and weight gradients are one product of all.

## Tasks and inner steps

One thread for XLA; torch.func at the better of one and two. µs for each task of a training step:

{_grid(result["grid"])}

## Compiling

A second process finds programs in JAX's persistent cache, which the command keeps by default. Only
tracing remains.

{_compiling(**result["compile"])}

## Memory

Of the meta-gradient of 25 tasks, in addition to parameters and data:

{_memory(result["memory"])}

With one inner step and more tasks, in tiles:

{_memory_of_tasks(result["memory_of_tasks"])}

Arrays alive after 1 000 and after 10 000 more steps: {flat["arrays 1000"]:.2f} and
{flat["arrays 10000"]:.2f} MiB; the process at its largest {flat["process 1000"]:,.0f} and
{flat["process 10000"]:,.0f} MiB.
"""


def _rates(rates: dict[str, float], best_torch: float) -> str:
    head = ["training step", "steps/s", "µs a step", "against torch.func", "against the loop"]
    loop = rates["torch loop over tasks"]
    return table(
        head,
        (
            [
                name,
                f"{rate:,.0f}",
                f"{1e6 / rate:,.0f}",
                f"{rate / best_torch:.1f}×",
                f"{rate / loop:.0f}×",
            ]
            for name, rate in sorted(rates.items(), key=lambda item: -item[1])
        ),
    )


def _grid(grid: list[dict[str, Any]]) -> str:
    head = ["inner steps", "tasks", "µs a task", "torch.func", "torch loop", "against torch.func"]
    rows = []
    for cell in grid:
        tasks = cell["tasks"]
        ours, vmap = 1e6 / cell["learnset"] / tasks, 1e6 / cell["vmap"] / tasks
        loop = f"{1e6 / cell['loop'] / tasks:,.0f}" if cell["loop"] else ""
        times = [f"{ours:.1f}", f"{vmap:,.0f}", loop, f"{vmap / ours:.1f}×"]
        rows.append([str(cell["inner_steps"]), str(tasks), *times])
    return table(head, rows)


def _compiling(cold: dict[str, float], warm: dict[str, float]) -> str:
    rows = ([name, f"{cold[name]:.1f} s", f"{warm[name]:.1f} s"] for name in cold)
    return table(["method", "first start", "second start"], rows)


def _memory_of_tasks(sizes: dict[str, float]) -> str:
    rows = ([f"{int(count):,}", f"{size:.1f} MiB"] for count, size in sizes.items())
    return table(["tasks a step", "exact"], rows)


def _memory(sizes: dict[str, dict[str, float]]) -> str:
    rows = ([s, *(f"{of[s]:.1f} MiB" for of in sizes.values())] for s in map(str, UNROLLED))
    return table(["inner steps", "exact", "remat", "first order"], rows)


if __name__ == "__main__":
    run(
        Benchmark(Path("docs/results/benchmarks")),
        (jax_rate, compile_times, memory, memory_of_tasks, flat_memory, product_rate),
        measure,
        page,
        ratios,
    )
