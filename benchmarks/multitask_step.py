"""Measures training steps of many tasks against TorchJD, and their memory on large models.

Usage: pip install torch==2.13.0 'torchjd[full]==0.18.0' && python benchmarks/multitask_step.py
with the folder of the school data as LEARNSET_DATA.

Each side has one thread, and time is that of the processor, so that other programs on the machine
count for little. Both sides take turns, each setting in a process of its own, and the best of all
rounds counts. Compile time is separate.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Benchmark, in_own_process, least_seconds, run, table, timed

HEADS = 10
# Inputs, width, points of a task.
SHAPES = {"small": (28, 64, 32), "medium": (64, 256, 64), "large": (256, 256, 256)}
TARGET, LIMIT = 5, 2.0  # times as fast as TorchJD; GiB
SCHOOL_STEPS = 500


# Workers


def _rows(shape: str, same: bool) -> tuple[Any, Any]:
    import numpy as np

    inputs, _, points = SHAPES[shape]
    random = np.random.default_rng(0)
    x = random.normal(size=(1 if same else HEADS, points, inputs)).astype(np.float32)
    return x, random.normal(size=(HEADS, points, 1)).astype(np.float32)


def _stepping(method: Any, model: Any, batch: Any) -> tuple[Callable[[], Any], float]:
    """A step of training with Adam as `learnset.train` compiles it, and seconds to compile."""
    import equinox as eqx
    import jax
    import jax.random as jr
    import optax

    from learnset.core import fast_dots, trainable, updated

    adam = optax.adam(1e-3)

    def step(moving: Any, fixed: Any, state: Any, batch: Any) -> Any:
        grads = method.gradient(eqx.combine(moving, fixed), batch, None, key=jr.key(0))[0]
        return updated(adam, grads, state, moving)

    moving, fixed = trainable(model)
    state = adam.init(moving)
    lowered = eqx.filter_jit(fast_dots(step)).lower
    took, program = timed(lambda: lowered(moving, fixed, state, batch).compile())
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


def _shared_body(inputs: int, width: int, depth: int, heads: int) -> Any:
    import jax.random as jr

    import learnset as ls

    network = ls.MLP(inputs, 1, width=width, depth=depth, key=jr.key(0))
    return ls.SharedBody(network, num_tasks=heads, key=jr.key(1))


def learnset_step(
    shape: str, same: bool, at_representation: bool, seconds: float
) -> dict[str, float]:
    """Seconds of a step of a shared body of two layers and ten heads with UPGrad."""
    import learnset as ls

    inputs, width, _ = SHAPES[shape]
    model = _shared_body(inputs, width, 2, HEADS)
    method = ls.multitask.AtRepresentation(ls.UPGrad()) if at_representation else ls.UPGrad()
    step, compiling = _stepping(method, model, _batch(*_rows(shape, same)))
    return {"seconds": least_seconds(step, seconds), "compile_seconds": compiling}


def torchjd_step(
    shape: str, same: bool, at_representation: bool, seconds: float
) -> dict[str, float]:
    """The same with TorchJD's `mtl_backward`.

    Where each task has its own inputs, all inputs go through the body together.
    """
    import torch
    from torchjd.aggregation import UPGrad
    from torchjd.autojac import jac_to_grad, mtl_backward

    del at_representation
    torch.set_num_threads(1)
    inputs, width, _ = SHAPES[shape]
    widths = ((inputs, width), (width, width))
    layers = [part for sizes in widths for part in (torch.nn.Linear(*sizes), torch.nn.ReLU())]
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

    return {"seconds": least_seconds(step, seconds)}


def school(balanced: bool) -> dict[str, float]:
    """Seconds to train a shared body with a head for each school, all schools in each step."""
    import jax.random as jr
    import optax

    import learnset as ls

    tasks = ls.by_rows(ls.data.school())
    model = _shared_body(tasks.points.x.shape[-1], 40, 2, len(tasks))
    method = ls.UPGrad() if balanced else ls.Mean()
    options = {"tasks_per_step": len(tasks), "key": jr.key(2), "progress": False}
    took, trained = timed(
        lambda: ls.train(method, model, tasks, optax.adam(1e-3), steps=SCHOOL_STEPS, **options)
    )
    return {
        "tasks": len(tasks),
        "seconds": trained.seconds,
        "with_compilation": took,
        "first_loss": float(trained.metrics["loss"][0]),
        "last_loss": float(trained.metrics["loss"][-1]),
    }


def peak(depth: int, width: int, chunk: int, layerwise: bool) -> dict[str, float]:
    """GiB of a process that makes steps of 40 tasks with UPGrad and Adam, at its largest."""
    import resource

    import equinox as eqx
    import jax
    import numpy as np

    import learnset as ls

    def resident() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    model = _shared_body(width, width, depth, 40)
    random = np.random.default_rng(0)
    batch = _batch(*(random.normal(size=(40, 16, size)).astype(np.float32) for size in (width, 1)))
    method = ls.multitask.Layerwise(ls.UPGrad(), chunk=chunk or None) if layerwise else ls.UPGrad()
    before = resident()
    step, _ = _stepping(method, model, batch)
    seconds = least_seconds(step, 0.1)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
    return {"parameters": parameters, "before": before, "gib": resident(), "seconds": seconds}


# The whole

FORMS: dict[str, tuple[Callable[..., dict[str, float]], bool]] = {
    "learnset": (learnset_step, False),
    "learnset, at the representation": (learnset_step, True),
    "TorchJD": (torchjd_step, False),
}
TEN = {"depth": 10, "width": 1000, "chunk": 0}
MODELS: dict[str, dict[str, Any]] = {
    "ten layers": TEN | {"layerwise": True},
    "one layer, 8 tasks at a time": {"depth": 1, "width": 3162, "chunk": 8, "layerwise": True},
    "ten layers, the whole matrix of gradients": TEN | {"layerwise": False},
}


def on_one_thread(worker: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    result = in_own_process(worker, {"NPROC": "1"}, **arguments)
    print(worker.__name__, arguments, result, flush=True)
    return result


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    best: dict[str, dict[str, dict[str, Any]]] = {"same": {}, "own": {}}
    settings = [
        (inputs, shape, form)
        for inputs in best
        for shape in SHAPES
        for form, (_, at_representation) in FORMS.items()
        if inputs == "same" or not at_representation  # which takes points that tasks share
    ]
    for _ in range(benchmark.rounds):
        for inputs, shape, form in settings:
            worker, at_representation = FORMS[form]
            setting = {"shape": shape, "same": inputs == "same", "seconds": 1.0}
            new = on_one_thread(worker, **setting, at_representation=at_representation)
            of = best[inputs].setdefault(shape, {})
            old = of.get(form, new)
            of[form] = {name: min(old[name], new[name]) for name in new}
    schools = {"Mean": False, "UPGrad": True}
    return {
        "rounds": benchmark.rounds,
        "steps": best,
        "school": {name: on_one_thread(school, balanced=b) for name, b in schools.items()},
        "memory": {name: on_one_thread(peak, **setting) for name, setting in MODELS.items()},
    }


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    same, own, schools = (*result["steps"].values(), result["school"])
    layerwise = [result["memory"][name] for name, setting in MODELS.items() if setting["layerwise"]]
    within = all(of["gib"] <= LIMIT for of in layerwise)
    return f"""# Speed and memory of many tasks

Made by `python benchmarks/multitask_step.py`. One thread for each side; times are of the processor,
since other programs ran on the machine. Turns that each side took: {result["rounds"]}; the best
counts. A full training step: losses, gradients of all tasks, UPGrad, Adam. A shared body of two
layers and {HEADS} heads.

## Several targets of the same rows

{_steps(same)}

The target, {TARGET} times as fast as TorchJD's `mtl_backward` for the same method, was
{_verdict(same)}. TorchJD computes the body once and goes back through it for each task; learnset
does both for each task, and the larger the shape, the more of a step is matrix products.
`AtRepresentation`, which takes weights from the gradients at the representation (as MGDA-UB does,
another method), goes through the body once in each direction.

## Rows of one task only

{_steps(own)}

The target was {_verdict(own)}. TorchJD takes all rows through the body together, and then back for
each task, with gradients of zero for the rows of other tasks.

## School

All {schools["Mean"]["tasks"]} schools in each of {SCHOOL_STEPS:,} steps, a head for each, 40-40
net, up to 8 + 8 pupils of a school in a step. Other programs took a part of the time by the clock.
The loss is that of training, of scaled scores.

{_schools(schools)}

## Memory of 40 tasks

16 points each, Adam; peak resident size of a process of its own, Python and JAX included.

{_memory(result["memory"])}

The target, {LIMIT:.0f} GiB at 10 million parameters, was {"reached" if within else "not reached"}.
"""


def _steps(of: dict[str, Any]) -> str:
    rows = []
    for shape, forms in of.items():
        inputs, width, points = SHAPES[shape]
        title = f"{shape}: {inputs} inputs, 2 × {width}, {points} points"
        for form, one in forms.items():
            ratio = f"{forms['TorchJD']['seconds'] / one['seconds']:.1f}×"
            compiling = f"{one['compile_seconds']:.1f} s" if "compile_seconds" in one else ""
            rows.append([title, form, f"{1e3 * one['seconds']:.2f}", ratio, compiling])
    return table(["shape", "form", "ms a step", "TorchJD takes", "compiling"], rows)


def _verdict(of: dict[str, Any]) -> str:
    reached = [
        shape
        for shape, forms in of.items()
        if forms["TorchJD"]["seconds"] >= TARGET * forms["learnset"]["seconds"]
    ]
    return f"reached for {', '.join(reached)}" if reached else "reached for none of them"


def _schools(schools: dict[str, Any]) -> str:
    processor = "of the processor, with reading and compiling"
    head = ["method", "seconds by the clock", processor, "loss at first", "in the end"]
    rows = (
        [
            name,
            f"{of['seconds']:.1f}",
            f"{of['with_compilation']:.1f}",
            f"{of['first_loss']:.3f}",
            f"{of['last_loss']:.3f}",
        ]
        for name, of in schools.items()
    )
    return table(head, rows)


def _memory(sizes: dict[str, Any]) -> str:
    rows = []
    for name, of in sizes.items():
        chunk = f", chunk={MODELS[name]['chunk']}" if MODELS[name]["chunk"] else ""
        method = f"Layerwise(UPGrad(){chunk})" if MODELS[name]["layerwise"] else "UPGrad()"
        gib = [f"{of['gib']:.2f}", f"{of['before']:.2f}"]
        size = f"{of['parameters'] / 1e6:.1f} M"
        rows.append([name, size, f"`{method}`", *gib, f"{of['seconds']:.1f}"])
    head = ["model", "parameters", "method", "GiB at most", "before the first step", "s a step"]
    return table(head, rows)


if __name__ == "__main__":
    run(
        Benchmark(Path("docs/results/benchmarks-multitask")),
        (learnset_step, torchjd_step, school, peak),
        measure,
        page,
    )
