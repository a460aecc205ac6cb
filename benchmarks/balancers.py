"""Measures multi-task balancers against TorchJD on the same matrices, and writes the page.

Usage: pip install torch==2.13.0 'torchjd[full]==0.18.0' && python benchmarks/balancers.py

Each side has one thread, and time is that of the processor, so that other programs on the machine
count for little. Both sides take turns, each size in a process of its own, and the best of all
rounds counts. Compile time is separate. Next to each time is the residual of the answer: how wrong
it is, computed by the same program for both sides, in double precision.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Benchmark, in_own_process, least_seconds, run, table, timed

SIZES = ((2, 10**4), (10, 10**5), (32, 10**5), (128, 10**5))  # tasks, parameters
BATCH, BATCHED = 64, (10, 10**3)
METHODS = ("UPGrad", "DualProj", "MGDA", "CAGrad", "Nash-MTL", "PCGrad", "IMTL-G", "Aligned-MTL")
KINDS = ("independent", "alike")
RESIDUALS = {
    "UPGrad": "distance from the exact direction, over its length",
    "DualProj": "distance from the exact direction, over its length",
    "MGDA": "duality gap, over the mean square of a gradient",
    "CAGrad": "duality gap, over the square of the mean gradient",
    "Nash-MTL": "largest difference of gain times weight from their mean, over the mean",
    "PCGrad": "nothing to solve",
    "IMTL-G": "spread of the projections, over their mean",
    "Aligned-MTL": "distance from the exact direction, over its length",
}
STEP, BATCH_TIMES = 15, 10  # targets: UPGrad at 128 tasks, and 64 at once, against TorchJD
ONE = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # threads
Figures = dict[str, float | None]


def matrix(kind: str, tasks: int, params: int, seed: int = 0) -> np.ndarray:
    """Gradients of tasks: independent, or `alike`.

    Alike gradients differ by a tenth of what they have in common, and each has its own sign.
    """
    random = np.random.default_rng(seed)
    rows = random.normal(size=(tasks, params))
    if kind == "alike":
        common = random.normal(size=params)
        rows = (common + 0.1 * rows) * random.choice((-1, 1, 1, 1), size=(tasks, 1))
    return rows.astype(np.float32)


# Residuals


def exact_projection(root: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The nearest vector whose product with no row of `root` is negative."""
    import scipy.optimize

    return gradient + scipy.optimize.nnls(root.T, -gradient, maxiter=100 * len(root))[0] @ root


def exact_direction(name: str, root: np.ndarray) -> np.ndarray:
    if name == "UPGrad":
        return np.mean([exact_projection(root, gradient) for gradient in root], axis=0)
    if name == "DualProj":
        return exact_projection(root, root.mean(axis=0))
    values, vectors = np.linalg.eigh(root @ root.T)
    return np.sqrt(values[0]) * vectors @ (1 / np.sqrt(values) * vectors.mean(axis=0)) @ root


def residual(name: str, gramian: np.ndarray, weights: np.ndarray) -> float | None:
    """How far the weights are from the promise of the method, in double precision."""
    tasks, gains = len(gramian), gramian @ weights
    root = vectors_with(gramian).T
    mean = root.mean(axis=0)
    if name in ("UPGrad", "DualProj", "Aligned-MTL"):
        exact = exact_direction(name, root)
        return float(np.linalg.norm(weights @ root - exact) / np.linalg.norm(exact))
    if name == "MGDA":
        return float((weights @ gains - gains.min()) / np.diagonal(gramian).mean())
    if name == "CAGrad":
        share = np.maximum(weights - 1 / tasks, 0)
        mixture = share / share.sum() @ root
        bound = mixture @ mean + 0.5 * np.linalg.norm(mean) * np.linalg.norm(mixture)
        return float((bound - gains.min()) / (mean @ mean))
    if name == "Nash-MTL":
        return float(np.abs(weights * gains / (weights * gains).mean() - 1).max())
    if name == "IMTL-G":
        projections = gains / np.sqrt(np.diagonal(gramian))
        return float(np.ptp(projections) / np.abs(projections.mean()))
    return None


def vectors_with(gramian: np.ndarray) -> np.ndarray:
    """Vectors, as columns, that have these inner products."""
    values, vectors = np.linalg.eigh(gramian)
    return np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


def exact_gramian(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows @ rows.T


# Workers


def ours(kind: str, tasks: int, params: int, seconds: float) -> dict[str, Figures]:
    """Seconds of an aggregation, of its step on the Gramian, and to compile; the residual."""
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    rows = matrix(kind, tasks, params)
    exact, jacobian, key = exact_gramian(rows), jnp.asarray(rows), jr.key(0)
    gramian, present = jnp.asarray(exact, jnp.float32), jnp.ones(tasks, bool)

    def figures(name: str, method: Any) -> Figures:
        direction = jax.jit(lambda j, k: method.direction(j, key=k))
        weights = jax.jit(lambda g, k: method.weights(g, present, key=k))
        compiling, whole = timed(lambda: direction.lower(jacobian, key).compile())
        part = weights.lower(gramian, key).compile()
        return {
            "seconds": least_seconds(lambda: jax.block_until_ready(whole(jacobian, key)), seconds),
            "gramian_seconds": least_seconds(
                lambda: jax.block_until_ready(part(gramian, key)), seconds
            ),
            "compile_seconds": compiling,
            "residual": residual(name, exact, np.asarray(part(gramian, key), np.float64)),
        }

    return {name: figures(name, method) for name, method in _methods().items()}


def theirs(kind: str, tasks: int, params: int, seconds: float) -> dict[str, Figures]:
    """The same of TorchJD.

    Nash-MTL, which continues from its last answer, begins anew in every call.
    """
    import torch

    torch.set_num_threads(1)
    rows = matrix(kind, tasks, params)
    exact, jacobian, answer = exact_gramian(rows), torch.from_numpy(rows), {}
    gramian = torch.from_numpy(exact.astype(np.float32))
    # Methods without a form for Gramians receive a matrix that has this one.
    small = torch.from_numpy(vectors_with(exact).T.astype(np.float32))
    for name, aggregator in _aggregators(tasks).items():

        def part(aggregator: Any = aggregator) -> Any:
            if hasattr(aggregator, "reset"):
                aggregator.reset()
                return aggregator.weighting(small)
            return aggregator.gramian_weighting(gramian)

        answer[name] = {
            "seconds": least_seconds(lambda a=aggregator: _anew(a, jacobian), seconds),
            "gramian_seconds": least_seconds(part, seconds),
            "residual": residual(name, exact, part().numpy().astype(np.float64)),
        }
    return answer


def _anew(aggregator: Any, jacobian: Any) -> Any:
    if hasattr(aggregator, "reset"):
        aggregator.reset()
    return aggregator(jacobian)


def _many() -> list[np.ndarray]:
    return [matrix("independent", *BATCHED, seed) for seed in range(BATCH)]


def ours_batched(seconds: float) -> dict[str, float]:
    """Seconds of many aggregations in one call."""
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    many, keys = jnp.asarray(np.stack(_many())), jr.split(jr.key(0), BATCH)

    def batched(method: Any) -> float:
        program = jax.jit(jax.vmap(lambda j, k: method.direction(j, key=k)))
        return least_seconds(lambda: jax.block_until_ready(program(many, keys)), seconds)

    return {name: batched(method) for name, method in _methods().items()}


def theirs_batched(seconds: float) -> dict[str, float]:
    """Seconds of as many aggregations, one after the other."""
    import torch

    torch.set_num_threads(1)
    many = [torch.from_numpy(rows) for rows in _many()]

    def loop(aggregator: Any) -> None:
        for jacobian in many:
            _anew(aggregator, jacobian)

    aggregators = _aggregators(BATCHED[0])
    return {
        name: least_seconds(lambda a=aggregator: loop(a), seconds)
        for name, aggregator in aggregators.items()
    }


def _methods() -> dict[str, Any]:
    import learnset as ls

    methods = (
        ls.UPGrad(),
        ls.multitask.DualProj(),
        ls.MGDA(),
        ls.CAGrad(c=0.5),
        ls.NashMTL(),
        ls.PCGrad(),
        ls.IMTLG(),
        ls.multitask.AlignedMTL(),
    )
    return dict(zip(METHODS, methods, strict=True))


def _aggregators(tasks: int) -> dict[str, Any]:
    return {name: _aggregator(name, tasks) for name in METHODS}


def _aggregator(name: str, tasks: int = 0) -> Any:
    """What TorchJD calls this method; Nash-MTL needs the number of tasks."""
    import warnings

    from torchjd import aggregation as a

    warnings.filterwarnings("ignore")
    options = {"CAGrad": {"c": 0.5}, "Nash-MTL": {"n_tasks": tasks}}.get(name, {})
    return getattr(a, name.replace("-", ""))(**options)


# The whole


def on_one_thread(worker: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    return in_own_process(worker, dict.fromkeys(ONE, "1"), **arguments)


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    sizes: dict[str, Any] = {kind: {} for kind in KINDS}
    batched: dict[str, dict[str, float]] = {}
    settings = [(KINDS[0], *size) for size in SIZES] + [(KINDS[1], *SIZES[-1])]
    for kind, tasks, params in settings:
        of = sizes[kind].setdefault(f"{tasks} {params}", {})
        setting = {"kind": kind, "tasks": tasks, "params": params, "seconds": 0.1}
        for _ in range(benchmark.rounds):
            for side, worker in (("ours", ours), ("theirs", theirs)):
                new = on_one_thread(worker, **setting)
                old = of.get(side, new)
                of[side] = {name: _better(old[name], new[name]) for name in METHODS}
        seconds = {side: {n: of[side][n]["seconds"] for n in METHODS} for side in of}
        times = {n: round(seconds["theirs"][n] / seconds["ours"][n], 1) for n in METHODS}
        print(kind, tasks, params, times, flush=True)
    for _ in range(benchmark.rounds):
        for side, worker in (("ours", ours_batched), ("theirs", theirs_batched)):
            new = on_one_thread(worker, seconds=0.2)
            batched[side] = _better(batched.get(side, new), new)
    return {"rounds": benchmark.rounds, "sizes": sizes, "batched": batched}


def _better(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {name: v if v is None else min(v, old[name]) for name, v in new.items()}


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    sizes = result["sizes"]
    last = sizes[KINDS[0]]["128 100000"]
    compiling = [last["ours"][name]["compile_seconds"] for name in METHODS]
    upgrad, on_gramian = (
        last["theirs"]["UPGrad"][k] / last["ours"]["UPGrad"][k]
        for k in ("seconds", "gramian_seconds")
    )
    rest = 1 - last["ours"]["UPGrad"]["gramian_seconds"] / last["ours"]["UPGrad"]["seconds"]
    missed = f"not reached: {rest:.0%} of our time is the Gramian and the sum"
    batched = result["batched"]
    least = min(batched["theirs"][name] / batched["ours"][name] for name in METHODS)
    both = "reached" if least >= BATCH_TIMES else "not reached for all methods"
    return f"""# Speed of multi-task balancers

Made by `python benchmarks/balancers.py`. One aggregation of the gradients of many tasks into one,
and its step on the Gramian alone, against TorchJD 0.18 on the same matrices in single precision.
One thread for each side; times are of the processor, since other programs ran on the machine. Turns
that each side took: {result["rounds"]}; the best counts.

- UPGrad at 128 tasks: {upgrad:.1f}× as fast, {on_gramian:.1f}× on the Gramian.
  The target, {STEP}×, was {"reached" if upgrad >= STEP else missed}.
- {BATCH} aggregations in one call: at least {least:.0f}×. The target, {BATCH_TIMES}×, was {both}.
- Slower than TorchJD: {"; ".join(_slower(sizes)) or "nothing"}.
- Compiling takes {min(compiling):.1f} to {max(compiling):.1f} s at 128 tasks, once for each shape.

## Residuals

How wrong each answer is, in double precision, next to its time. The measure depends on the method:

{chr(10).join(f"- {name}: {measure}" for name, measure in RESIDUALS.items())}

TorchJD adds 1e-4 to the diagonal of the Gramian, over its trace, before it projects; its MGDA takes
at most a hundred Frank-Wolfe steps.

## Independent gradients

{_tables(sizes[KINDS[0]])}

## Similar gradients

Differences are a tenth of what they have in common, and a quarter of them have the other sign: hard
problems.

{_tables(sizes[KINDS[1]])}

## Many at once

{BATCH} aggregations of {BATCHED[0]} tasks and {BATCHED[1]:,} parameters.

{_batched(batched["ours"], batched["theirs"])}
"""


def _slower(sizes: dict[str, Any]) -> list[str]:
    """The settings in which TorchJD is faster."""
    return [
        f"{name} at {size.split()[0]} tasks"
        f" ({kind}{'' if key == 'seconds' else ', Gramian only'}: {ratio:.2f}×)"
        for kind, of_kind in sizes.items()
        for size, of in of_kind.items()
        for name in METHODS
        for key in ("seconds", "gramian_seconds")
        if (ratio := of["theirs"][name][key] / of["ours"][name][key]) < 1
    ]


def _tables(of_kind: dict[str, Any]) -> str:
    times = ["ours", "TorchJD", "times as fast"]
    head = ["method", *times, "Gramian only: ours", *times[1:], "residual: ours", "TorchJD"]
    parts = []
    for size, of in of_kind.items():
        tasks, params = size.split()
        rows = (_row(name, of["ours"][name], of["theirs"][name]) for name in METHODS)
        parts += [f"### {tasks} tasks, {int(params):,} parameters", table(head, rows)]
    return "\n\n".join(parts)


def _row(name: str, ours: dict[str, float], theirs: dict[str, float]) -> list[str]:
    cells = [name]
    for key in ("seconds", "gramian_seconds"):
        one, two = ours[key], theirs[key]
        cells += [_ms(one), _ms(two), f"{two / one:.1f}×"]
    residuals = (ours["residual"], theirs["residual"])
    return cells + ["" if value is None else f"{value:.0e}" for value in residuals]


def _batched(ours: dict[str, float], theirs: dict[str, float]) -> str:
    rows = (
        [name, _ms(ours[name]), _ms(theirs[name]), f"{theirs[name] / ours[name]:.0f}×"]
        for name in METHODS
    )
    return table(["method", "ours, one call", "TorchJD, a loop", "times as fast"], rows)


def _ms(seconds: float) -> str:
    milliseconds = 1e3 * seconds
    return f"{milliseconds:.3f} ms" if milliseconds < 1 else f"{milliseconds:.1f} ms"


if __name__ == "__main__":
    run(
        Benchmark(Path("docs/results/benchmarks-balancers"), rounds=1),
        (ours, theirs, ours_batched, theirs_batched),
        measure,
        page,
    )
