"""Measures training steps of many tasks against TorchJD, and the memory of many tasks on large models; writes a page.

Usage: pip install torch==2.13.0 torchjd==0.18.0 quadprog && LEARNSET_DATA=... python benchmarks/multitask_step.py

Each side has one thread, and time is that of the processor, so that other programs on the machine count for little. Both
sides take turns, each setting in a process of its own, and the best of all rounds counts. Compile time stands apart.
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

import tyro

HEADS = 10
SHAPES = {
    "small": (28, 64, 32),
    "medium": (64, 256, 64),
    "large": (256, 256, 256),
}  # inputs, width, points of a task
TARGET, LIMIT = 5, 2.0  # times as fast as TorchJD; GiB
SCHOOL_STEPS = 500


@dataclass(frozen=True)
class Benchmark:
    """Measures everything, or one thing in a process of its own."""

    out: Path = Path("docs/results/benchmarks-multitask")
    """where the page goes"""
    rounds: int = 2
    """turns that each side takes"""
    worker: str = ""
    """what a process of its own measures, as JSON; for this program itself"""


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


def _rows(shape: str, same: bool) -> tuple[Any, Any]:
    import numpy as np

    inputs, _, points = SHAPES[shape]
    random = np.random.default_rng(0)
    x = random.normal(size=(1 if same else HEADS, points, inputs)).astype(np.float32)
    return x, random.normal(size=(HEADS, points, 1)).astype(np.float32)


def _stepping(method: Any, model: Any, batch: Any) -> tuple[Callable[[], Any], float]:
    """A step of training with Adam as `learnset.train` compiles it, and the seconds that compiling takes."""
    import equinox as eqx
    import jax
    import jax.random as jr
    import optax

    from learnset.core._lowering import fast_dots
    from learnset.core._tree import trainable, updated

    adam = optax.adam(1e-3)

    def step(moving: Any, fixed: Any, state: Any, batch: Any) -> Any:
        grads = method.gradient(eqx.combine(moving, fixed), batch, None, key=jr.key(0))[0]
        return updated(adam, grads, state, moving)

    moving, fixed = trainable(model)
    state = adam.init(moving)
    began = time.process_time()
    program = eqx.filter_jit(fast_dots(step)).lower(moving, fixed, state, batch).compile()
    took = time.process_time() - began
    return lambda: jax.block_until_ready(program(moving, fixed, state, batch)), took


def _batch(x: Any, y: Any) -> Any:
    """Tasks with the first half of the points as support."""
    import jax.numpy as jnp

    import learnset as ls

    same, x, half = len(x) == 1, jnp.broadcast_to(x, (len(y), *x.shape[1:])), x.shape[1] // 2
    parts = [
        ls.Batch(a, b, jnp.ones(a.shape[:2]))
        for a, b in ((x[:, :half], y[:, :half]), (x[:, half:], y[:, half:]))
    ]
    return ls.Task(*parts, jnp.arange(len(y)), jnp.zeros((len(y), 0)), same_inputs=same)


def learnset_step(
    shape: str, same: bool, at_representation: bool, seconds: float
) -> dict[str, float]:
    """Seconds of a step of a shared body of two layers and ten heads with UPGrad."""
    import jax.random as jr

    import learnset as ls

    inputs, width, _ = SHAPES[shape]
    model = ls.SharedBody(
        ls.MLP(inputs, 1, width=width, depth=2, key=jr.key(0)), num_tasks=HEADS, key=jr.key(1)
    )
    method = ls.multitask.AtRepresentation(ls.UPGrad()) if at_representation else ls.UPGrad()
    step, compiling = _stepping(method, model, _batch(*_rows(shape, same)))
    return {"seconds": _seconds(step, seconds), "compile_seconds": compiling}


def torchjd_step(
    shape: str, same: bool, at_representation: bool, seconds: float
) -> dict[str, float]:
    """The same with TorchJD's `mtl_backward`; with tasks of their own inputs, these go through the body together."""
    import torch
    from torchjd.aggregation import UPGrad
    from torchjd.autojac import jac_to_grad, mtl_backward

    del at_representation
    torch.set_num_threads(1)
    inputs, width, _ = SHAPES[shape]
    layers = [
        torch.nn.Linear(inputs, width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, width),
        torch.nn.ReLU(),
    ]
    body = torch.nn.Sequential(*layers)
    heads = [torch.nn.Linear(width, 1) for _ in range(HEADS)]
    parameters = [*body.parameters(), *(p for head in heads for p in head.parameters())]
    adam, aggregator = torch.optim.Adam(parameters, 1e-3, fused=True), UPGrad()
    x, y = (torch.tensor(a) for a in _rows(shape, same))

    def step() -> None:
        features = body(x.reshape(-1, inputs))
        of_tasks = [features] * HEADS if same else features.reshape(HEADS, -1, width)
        losses = [
            ((head(z) - t) ** 2).mean() for head, z, t in zip(heads, of_tasks, y, strict=True)
        ]
        mtl_backward(losses, features)
        jac_to_grad(body.parameters(), aggregator)
        adam.step()
        adam.zero_grad()

    return {"seconds": _seconds(step, seconds)}


def school(balanced: bool) -> dict[str, float]:
    """Seconds to train a shared body with a head for each of 139 schools, all schools in each step."""
    import jax.random as jr
    import optax

    import learnset as ls

    tasks = ls.by_rows(ls.data.school())
    model = ls.SharedBody(
        ls.MLP(tasks.points.x.shape[-1], 1, key=jr.key(0)), num_tasks=len(tasks), key=jr.key(1)
    )
    method = ls.UPGrad() if balanced else ls.Mean()
    began = time.process_time()
    run = ls.train(
        method,
        model,
        tasks,
        optax.adam(1e-3),
        steps=SCHOOL_STEPS,
        tasks_per_step=len(tasks),
        key=jr.key(2),
        progress=False,
    )
    return {
        "tasks": len(tasks),
        "seconds": run.seconds,
        "with_compilation": time.process_time() - began,
        "first_loss": float(run.metrics["loss"][0]),
        "last_loss": float(run.metrics["loss"][-1]),
    }


def peak(depth: int, width: int, chunk: int, layerwise: bool) -> dict[str, float]:
    """GiB of a process that makes steps of 40 tasks with UPGrad and Adam, at its largest."""
    import resource

    import equinox as eqx
    import jax
    import jax.random as jr
    import numpy as np

    import learnset as ls

    model = ls.SharedBody(
        ls.MLP(width, 1, width=width, depth=depth, key=jr.key(0)), num_tasks=40, key=jr.key(1)
    )
    random = np.random.default_rng(0)
    batch = _batch(*(random.normal(size=(40, 16, size)).astype(np.float32) for size in (width, 1)))
    method = ls.multitask.Layerwise(ls.UPGrad(), chunk=chunk or None) if layerwise else ls.UPGrad()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    step, _ = _stepping(method, model, batch)
    seconds = _seconds(step, 0.1)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"parameters": parameters, "before": before, "gib": most, "seconds": seconds}


WORKERS = {f.__name__: f for f in (learnset_step, torchjd_step, school, peak)}


def apart(function: str, **arguments: Any) -> dict:
    """The result of a worker in a process of its own, with one thread for XLA."""
    call = json.dumps([function, arguments])
    command = [sys.executable, __file__, "--worker", call]
    done = subprocess.run(
        command, capture_output=True, text=True, env=dict(os.environ) | {"NPROC": "1"}
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    print(call, done.stdout.splitlines()[-1], flush=True)
    return json.loads(done.stdout.splitlines()[-1])


# The whole

FORMS = {
    "learnset": ("learnset_step", False),
    "learnset, at the representation": ("learnset_step", True),
    "TorchJD": ("torchjd_step", False),
}
MODELS = {
    "ten layers": {"depth": 10, "width": 1000, "chunk": 0, "layerwise": True},
    "one layer, 8 tasks at a time": {"depth": 1, "width": 3162, "chunk": 8, "layerwise": True},
    "ten layers, the whole matrix of gradients": {
        "depth": 10,
        "width": 1000,
        "chunk": 0,
        "layerwise": False,
    },
}


def measure(rounds: int) -> dict:
    """All measurements, as plain numbers."""
    best: dict[str, dict[str, dict[str, float]]] = {"same": {}, "own": {}}
    for _ in range(rounds):
        for inputs, of in best.items():
            for shape in SHAPES:
                for form, (worker, at_representation) in FORMS.items():
                    if at_representation and inputs == "own":
                        continue  # there tasks share no points
                    settings = {
                        "shape": shape,
                        "same": inputs == "same",
                        "at_representation": at_representation,
                    }
                    new = apart(worker, **settings, seconds=1.0)
                    old = of.setdefault(shape, {}).setdefault(form, new)
                    of[shape][form] = {name: min(old[name], new[name]) for name in new}
    return {
        "rounds": rounds,
        "steps": best,
        "school": {name: apart("school", balanced=name == "UPGrad") for name in ("Mean", "UPGrad")},
        "memory": {name: apart("peak", **settings) for name, settings in MODELS.items()},
    }


def page(found: dict) -> str:
    """The page, all of its numbers from `found`."""

    def table(of: dict) -> str:
        lines = [
            "| shape | form | ms a step | TorchJD takes | compiling |",
            "|---|---|---|---|---|",
        ]
        for shape, forms in of.items():
            words = "{}: {} inputs, 2 × {}, {} points".format(shape, *SHAPES[shape])
            for form, one in forms.items():
                ratio = f"{forms['TorchJD']['seconds'] / one['seconds']:.1f}×"
                compiling = f"{one['compile_seconds']:.1f} s" if "compile_seconds" in one else ""
                lines.append(
                    f"| {words} | {form} | {1e3 * one['seconds']:.2f} | {ratio} | {compiling} |"
                )
        return "\n".join(lines)

    def word(of: dict) -> str:
        reached = [
            s
            for s, forms in of.items()
            if forms["TorchJD"]["seconds"] >= TARGET * forms["learnset"]["seconds"]
        ]
        return f"reached for {', '.join(reached)}" if reached else "reached for none of them"

    schools = [
        "| method | seconds by the clock | of the processor, with reading and compiling | loss at first | in the end |"
    ]
    schools += ["|---|---|---|---|---|"]
    for name, one in found["school"].items():
        losses = f"{one['first_loss']:.3f} | {one['last_loss']:.3f}"
        schools.append(
            f"| {name} | {one['seconds']:.1f} | {one['with_compilation']:.1f} | {losses} |"
        )
    memory = [
        "| model | parameters | method | GiB at most | before the first step | s a step |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found["memory"].items():
        method = "`Layerwise(UPGrad())`" if MODELS[name]["layerwise"] else "`UPGrad()`"
        method = (
            f"`Layerwise(UPGrad(), chunk={MODELS[name]['chunk']})`"
            if MODELS[name]["chunk"]
            else method
        )
        cells = f"{one['gib']:.2f} | {one['before']:.2f} | {one['seconds']:.1f}"
        memory.append(f"| {name} | {one['parameters'] / 1e6:.1f} M | {method} | {cells} |")
    within = all(
        found["memory"][name]["gib"] <= LIMIT
        for name, settings in MODELS.items()
        if settings["layerwise"]
    )
    same, own = found["steps"]["same"], found["steps"]["own"]
    number = next(iter(found["school"].values()))["tasks"]
    return f"""# Speed and memory of many tasks

Made by `python benchmarks/multitask_step.py`. One thread for each side; times are the processor's, since other programs ran
on the machine; turns that the sides took: {found["rounds"]}, of which the best counts. A full training step: losses, gradients of
all tasks, UPGrad, Adam. A shared body of two layers and {HEADS} heads.

## Several targets of the same rows

{table(same)}

The target, {TARGET} times as fast as TorchJD's `mtl_backward` for the same method, was {word(same)}. TorchJD computes the body
once and goes back through it for each task; learnset does both for each task, and the larger the shape, the more of a step is
matrix products. `AtRepresentation`, which takes weights from the gradients at what the body gives (MGDA-UB's way, another
method), goes through the body once in each direction.

## Tasks with rows of their own

{table(own)}

The target was {word(own)}. TorchJD takes all rows through the body together, and then back for each
task, those of other tasks with gradients of zero.

## School

All {number} schools in each of {SCHOOL_STEPS:,} steps, a head for each, 40-40 net, up to 8 + 8 pupils of a school in a step.
Other programs take their part of the time by the clock. The loss is that of training, of scaled scores.

{chr(10).join(schools)}

## Memory of 40 tasks

16 points each, Adam; peak resident size of a process of its own, Python and JAX included.

{chr(10).join(memory)}

The target, {LIMIT:.0f} GiB at 10 million parameters, was {"reached" if within else "not reached"}.
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
