"""Measures multi-task balancers against TorchJD on the same matrices, and writes what it found as a page.

Usage: pip install torch==2.13.0 'torchjd[full]==0.18.0' && python benchmarks/balancers.py

Each side has one thread, and time is that of the processor, so that other programs on the machine count for little. Both
sides take turns, each size in a process of its own, and the best of all rounds counts. Compile time stands apart. Beside
each time stands how wrong the answer is, by the same program for both sides, in double precision.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

SIZES = ((2, 10**4), (10, 10**5), (32, 10**5), (128, 10**5))  # tasks, parameters
BATCH, BATCHED = 64, (10, 10**3)
METHODS = ("UPGrad", "DualProj", "MGDA", "CAGrad", "Nash-MTL", "PCGrad", "IMTL-G", "Aligned-MTL")
KINDS = ("independent", "alike")
RESIDUALS = {
    "UPGrad": "distance from the exact direction, over its length",
    "DualProj": "distance from the exact direction, over its length",
    "MGDA": "duality gap, over the mean square of a gradient",
    "CAGrad": "duality gap, over the square of the mean gradient",
    "Nash-MTL": "largest difference of gain times weight from the mean of them, over it",
    "PCGrad": "nothing to solve",
    "IMTL-G": "spread of the projections, over their mean",
    "Aligned-MTL": "distance from the exact direction, over its length",
}
STEP, BATCH_TIMES = 15, 10  # times as fast as TorchJD: UPGrad at 128 tasks, and 64 at once


@dataclass(frozen=True)
class Benchmark:
    """Measures everything, or one thing in a process of its own."""

    out: Path = Path("docs/results/benchmarks-balancers")
    """where the page goes"""
    rounds: int = 1
    """turns that each side takes"""
    worker: str = ""
    """what a process of its own measures, as JSON; for this program itself"""


def matrix(kind: str, tasks: int, params: int, seed: int = 0) -> np.ndarray:
    """Gradients of tasks that have nothing in common, or whose differences are a tenth of what they have in common, each
    with a sign of its own."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(tasks, params))
    if kind == "alike":
        rows = (random.normal(size=params) + 0.1 * rows) * random.choice(
            (-1, 1, 1, 1), size=(tasks, 1)
        )
    return rows.astype(np.float32)


# How wrong


def exact_projection(root: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The nearest vector whose product with no row of `root` is negative."""
    import scipy.optimize

    return gradient + scipy.optimize.nnls(root.T, -gradient, maxiter=100 * len(root))[0] @ root


def residual(name: str, gramian: np.ndarray, weights: np.ndarray) -> float | None:
    """How far the weights are from what the method promises, in double precision."""
    tasks = len(gramian)
    values, vectors = np.linalg.eigh(gramian)
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T  # vectors with these products
    root, found, gains = root.T, weights @ root.T, gramian @ weights
    mean = root.mean(axis=0)
    if name in ("UPGrad", "DualProj", "Aligned-MTL"):
        exact = {
            "UPGrad": lambda: np.mean(
                [exact_projection(root, gradient) for gradient in root], axis=0
            ),
            "DualProj": lambda: exact_projection(root, mean),
            "Aligned-MTL": lambda: (
                np.sqrt(values[0]) * vectors @ (1 / np.sqrt(values) * vectors.mean(axis=0)) @ root
            ),
        }[name]()
        return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
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
        along = gains / np.sqrt(np.diagonal(gramian))
        return float(np.ptp(along) / np.abs(along.mean()))
    return None


def exact_gramian(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows @ rows.T


# In processes of their own


def _seconds(step: Callable[[], Any], seconds: float) -> float:
    """Processor seconds of a call, the least of those that fit, after the first."""
    step()
    best, spent = float("inf"), 0.0
    while spent < seconds:
        began = time.process_time()
        step()
        took = time.process_time() - began
        best, spent = min(best, took), spent + took
    return best


def ours(kind: str, tasks: int, params: int, seconds: float) -> dict[str, dict[str, float | None]]:
    """Seconds of an aggregation, of its step on the Gramian, and to compile it; and the residual."""
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    rows = matrix(kind, tasks, params)
    exact, jacobian, key, present = (
        exact_gramian(rows),
        jnp.asarray(rows),
        jr.key(0),
        jnp.ones(tasks, bool),
    )
    gramian, found = jnp.asarray(exact, jnp.float32), {}
    for name, method in _methods().items():
        began = time.process_time()
        whole = jax.jit(lambda j, k, m=method: m.direction(j, key=k)).lower(jacobian, key).compile()
        compiling = time.process_time() - began
        part = (
            jax.jit(lambda g, k, m=method: m.weights(g, present, key=k))
            .lower(gramian, key)
            .compile()
        )
        found[name] = {
            "seconds": _seconds(lambda w=whole: jax.block_until_ready(w(jacobian, key)), seconds),
            "gramian_seconds": _seconds(
                lambda p=part: jax.block_until_ready(p(gramian, key)), seconds
            ),
            "compile_seconds": compiling,
            "residual": residual(name, exact, np.asarray(part(gramian, key), np.float64)),
        }
    return found


def theirs(
    kind: str, tasks: int, params: int, seconds: float
) -> dict[str, dict[str, float | None]]:
    """The same of TorchJD. Nash-MTL, which goes on from its last answer, begins anew in every call."""
    import torch

    torch.set_num_threads(1)
    rows = matrix(kind, tasks, params)
    exact, jacobian, found = exact_gramian(rows), torch.from_numpy(rows), {}
    gramian = torch.from_numpy(exact.astype(np.float32))
    values, vectors = np.linalg.eigh(
        exact
    )  # what has no form for Gramians gets a matrix that has this one
    small = torch.from_numpy((vectors * np.sqrt(np.maximum(values, 0))).astype(np.float32))
    for name, aggregator in _aggregators(tasks).items():

        def whole(aggregator: Any = aggregator) -> Any:
            if hasattr(aggregator, "reset"):
                aggregator.reset()
            return aggregator(jacobian)

        def part(aggregator: Any = aggregator) -> Any:
            if hasattr(aggregator, "reset"):
                aggregator.reset()
                return aggregator.weighting(small)
            return aggregator.gramian_weighting(gramian)

        found[name] = {
            "seconds": _seconds(whole, seconds),
            "gramian_seconds": _seconds(part, seconds),
            "residual": residual(name, exact, part().numpy().astype(np.float64)),
        }
    return found


def ours_batched(seconds: float) -> dict[str, float]:
    """Seconds of many aggregations in one call."""
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    many = jnp.asarray(np.stack([matrix("independent", *BATCHED, seed) for seed in range(BATCH)]))
    keys, found = jr.split(jr.key(0), BATCH), {}
    for name, method in _methods().items():
        program = (
            jax.jit(jax.vmap(lambda j, k, m=method: m.direction(j, key=k)))
            .lower(many, keys)
            .compile()
        )
        found[name] = _seconds(lambda p=program: jax.block_until_ready(p(many, keys)), seconds)
    return found


def theirs_batched(seconds: float) -> dict[str, float]:
    """Seconds of as many aggregations, one after the other."""
    import torch

    torch.set_num_threads(1)
    many = [torch.from_numpy(matrix("independent", *BATCHED, seed)) for seed in range(BATCH)]
    found = {}
    for name, aggregator in _aggregators(BATCHED[0]).items():

        def loop(aggregator: Any = aggregator) -> None:
            for jacobian in many:
                if hasattr(aggregator, "reset"):
                    aggregator.reset()
                aggregator(jacobian)

        found[name] = _seconds(loop, seconds)
    return found


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
    )
    return dict(zip(METHODS, (*methods, ls.multitask.AlignedMTL()), strict=True))


def _aggregators(tasks: int) -> dict[str, Any]:
    import warnings

    from torchjd import aggregation as a

    warnings.filterwarnings("ignore")
    methods = (
        a.UPGrad(),
        a.DualProj(),
        a.MGDA(),
        a.CAGrad(c=0.5),
        a.NashMTL(n_tasks=tasks),
        a.PCGrad(),
        a.IMTLG(),
    )
    return dict(zip(METHODS, (*methods, a.AlignedMTL()), strict=True))


WORKERS = {f.__name__: f for f in (ours, theirs, ours_batched, theirs_batched)}
ONE = {
    name: "1" for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}


def apart(function: str, **arguments: Any) -> dict:
    """The result of a worker in a process of its own, with one thread."""
    call = json.dumps([function, arguments])
    environment = dict(os.environ) | ONE
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
    found: dict[str, Any] = {"rounds": rounds, "sizes": {}, "batched": {}}
    for kind in KINDS:
        for tasks, params in SIZES:
            if kind != KINDS[0] and tasks < 128:
                continue
            of = found["sizes"].setdefault(kind, {}).setdefault(f"{tasks} {params}", {})
            for _ in range(rounds):
                for side in ("ours", "theirs"):
                    new = apart(side, kind=kind, tasks=tasks, params=params, seconds=0.1)
                    of[side] = {
                        name: _better(of.get(side, {}).get(name), new[name]) for name in METHODS
                    }
            times = {
                n: round(of["theirs"][n]["seconds"] / of["ours"][n]["seconds"], 1) for n in METHODS
            }
            print(kind, tasks, params, times, flush=True)
    for _ in range(rounds):
        for side in ("ours", "theirs"):
            new = apart(f"{side}_batched", seconds=0.2)
            old = found["batched"].get(side, new)
            found["batched"][side] = {name: min(old[name], new[name]) for name in METHODS}
    return found


def _better(old: dict | None, new: dict) -> dict:
    return new if old is None else {k: v if v is None else min(v, old[k]) for k, v in new.items()}


def page(found: dict) -> str:
    """The page, all of its numbers from `found`."""

    def table(kind: str, size: str) -> str:
        of = found["sizes"][kind][size]
        rows = [
            "| method | ours | TorchJD | times as fast | Gramian only: ours | TorchJD | times as fast | residual: ours"
            " | TorchJD |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for name in METHODS:
            one, two = of["ours"][name], of["theirs"][name]
            cells = [
                f"{_ms(one[k])} | {_ms(two[k])} | {two[k] / one[k]:.1f}×"
                for k in ("seconds", "gramian_seconds")
            ]
            wrong = [
                f"{side['residual']:.0e}" if side["residual"] is not None else ""
                for side in (one, two)
            ]
            rows.append(f"| {name} | {cells[0]} | {cells[1]} | {wrong[0]} | {wrong[1]} |")
        tasks, params = size.split()
        return f"### {tasks} tasks, {int(params):,} parameters\n\n" + "\n".join(rows)

    batched = ["| method | ours, one call | TorchJD, a loop | times as fast |", "|---|---|---|---|"]
    for name in METHODS:
        one, two = (found["batched"][side][name] for side in ("ours", "theirs"))
        batched.append(f"| {name} | {_ms(one)} | {_ms(two)} | {two / one:.0f}× |")
    last = found["sizes"][KINDS[0]]["128 100000"]
    compiling = [last["ours"][name]["compile_seconds"] for name in METHODS]
    upgrad = {
        k: last["theirs"]["UPGrad"][k] / last["ours"]["UPGrad"][k]
        for k in ("seconds", "gramian_seconds")
    }
    slower = [
        f"{name} at {size.split()[0]} tasks ({kind}{'' if key == 'seconds' else ', Gramian only'}: {ratio:.2f}×)"
        for kind, sizes in found["sizes"].items()
        for size, of in sizes.items()
        for name in METHODS
        for key in ("seconds", "gramian_seconds")
        if (ratio := of["theirs"][name][key] / of["ours"][name][key]) < 1
    ]
    least = min(found["batched"]["theirs"][n] / found["batched"]["ours"][n] for n in METHODS)
    newline, bound = (
        "\n\n",
        1 - last["ours"]["UPGrad"]["gramian_seconds"] / last["ours"]["UPGrad"]["seconds"],
    )
    word = (
        "reached"
        if upgrad["seconds"] >= STEP
        else f"not reached: {bound:.0%} of our time is the Gramian and the sum"
    )
    return f"""# Speed of multi-task balancers

Made by `python benchmarks/balancers.py`. One aggregation of the gradients of many tasks into one, and the part of it that
knows the Gramian only, against TorchJD 0.18 on the same matrices in single precision. One thread for each side; times are the
processor's, since other programs ran on the machine. Turns that each side took: {found["rounds"]}; the best counts.

- UPGrad at 128 tasks: {upgrad["seconds"]:.1f}× as fast, {upgrad["gramian_seconds"]:.1f}× on the Gramian. The target, {STEP}×, was
  {word}.
- {BATCH} aggregations in one call: {least:.0f}× at the least. The target, {BATCH_TIMES}×, was
  {"reached" if least >= BATCH_TIMES else "not reached for all methods"}.
- Slower than TorchJD: {"; ".join(slower) if slower else "nothing"}.
- Compiling takes {min(compiling):.1f} to {max(compiling):.1f} s at 128 tasks, once for each shape.

## Residuals

How wrong each answer is, in double precision, beside its time; what is measured depends on the method:

{chr(10).join(f"- {name}: {words}" for name, words in RESIDUALS.items())}

TorchJD adds 1e-4 to the diagonal of the Gramian, over its trace, before it projects; its MGDA takes at most a hundred
Frank-Wolfe steps.

## Gradients that have nothing in common

{newline.join(table(KINDS[0], size) for size in found["sizes"][KINDS[0]])}

## Gradients that are alike

Differences are a tenth of what they have in common, and a quarter of them have the other sign: hard problems.

{newline.join(table(KINDS[1], size) for size in found["sizes"][KINDS[1]])}

## Many at once

{BATCH} aggregations of {BATCHED[0]} tasks and {BATCHED[1]:,} parameters.

{chr(10).join(batched)}
"""


def _ms(seconds: float) -> str:
    milliseconds = 1e3 * seconds
    return f"{milliseconds:.3f} ms" if milliseconds < 1 else f"{milliseconds:.1f} ms"


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
