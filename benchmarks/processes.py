"""Measures one training by two processes, each on one core, against one process on one core.

Usage: python benchmarks/run.py processes

One and two processes take turns, and the best of all rounds counts for each.
"""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness import Benchmark, in_own_process, run, table

# Tasks and inner steps of second-order MAML, and steps of training at a time.
SETTINGS = {
    "sinusoids, 1 000 tasks": ("sinusoids", 1_000, 200),
    "sinusoids, 4 000 tasks": ("sinusoids", 4_000, 50),
    "images, 8 tasks": ("images", 8, 12),
}


def taken(name: str, number: int, count: int, port: int) -> dict[str, float]:
    """Seconds a step in process `number` of `count`, on a core of its own."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})
    import jax

    if count > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", count, number, [number])
    import jax.random as jr
    import numpy as np
    import optax

    import learnset as ls

    kind, per_step, steps = SETTINGS[name]
    key = jr.key(0)
    if kind == "sinusoids":
        tasks, model, loss = ls.Sinusoids(), ls.MLP(1, 1, width=40, depth=2, key=key), ls.mse
    else:
        images = np.random.default_rng(0).integers(0, 256, (600, 28, 28, 1), np.uint8)
        classes = ls.data.Labelled.from_arrays(images, np.repeat(np.arange(30), 20))
        tasks, loss = ls.Episodes(*classes.split((20, 5, 5)), ways=5, shots=1), ls.cross_entropy
        encoder = ls.models.Conv4((28, 28, 1), filters=32, strided=True, key=key)
        model = ls.models.classifier(encoder, 5, key=key)

    def train(steps: int) -> Any:
        options = {"tasks_per_step": per_step, "log_every": steps, "progress": False}
        return ls.train(
            ls.MAML(loss), model, tasks, optax.adam(1e-3), steps=steps, key=key, **options
        )

    result = min((train(steps) for _ in range(3)), key=lambda result: result.seconds)
    return {"seconds": result.seconds / steps, "loss": float(result.metrics["loss"][-1])}


def together(name: str, count: int) -> dict[str, float]:
    """Seconds a step of several processes: those of the first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    def one(number: int) -> dict[str, float]:
        return in_own_process(taken, name=name, number=number, count=count, port=port)

    with ThreadPoolExecutor(count) as started:
        return list(started.map(one, range(count)))[0]


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    result: dict[str, Any] = {}
    for _ in range(benchmark.rounds):
        for name in SETTINGS:
            for count in (1, 2):
                of, known = together(name, count), result.setdefault(name, {})
                print(name, count, of, flush=True)
                before = known.setdefault(str(count), of)
                known[str(count)] = min(before, of, key=lambda each: each["seconds"])
    return {"settings": result}


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """The speed of two processes as a part of twice that of one."""
    of = result["settings"]
    return {name: each["1"]["seconds"] / each["2"]["seconds"] / 2 for name, each in of.items()}


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    of, shares = result["settings"], ratios(result)
    rows = [
        [name, *(f"{1e3 * of[name][count]['seconds']:.1f} ms" for count in "12"), f"{share:.2f}"]
        for name, share in shares.items()
    ]
    far = max(abs(e["1"]["loss"] - e["2"]["loss"]) / abs(e["1"]["loss"]) for e in of.values())
    return f"""# One training by two processes

Made by `python benchmarks/run.py processes`. Second-order MAML, one inner step: sinusoids with a
40-40 net, and images of 28×28 pixels with four strided convolutions of 32 filters, 5-way 1-shot
with 5 queries of each class. One process on one core, and two processes, each on one core, with
half of the tasks of each step; a training step of both. Efficiency is the speed of two as a part of
twice the speed of one.

{table(["work", "one process", "two processes", "efficiency"], rows)}

The losses of the last step differ by {far:.0e} of their value at most.
"""


if __name__ == "__main__":
    run(
        Benchmark(Path("docs/results/benchmarks-processes")),
        (taken,),
        measure,
        page,
        ratios,
    )
