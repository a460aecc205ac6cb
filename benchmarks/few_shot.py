"""Measures few-shot classification against plain PyTorch, and writes what it found as a page.

Usage: pip install torch==2.13.0 easyfsl==1.5.0 && python benchmarks/few_shot.py --threads 1 2

With one thread, time is that of the processor, so that other programs on the machine count for little; with more, it is
that of the clock, and the machine should be quiet. JAX (each setting in a process of its own) and PyTorch take turns, and
the best of all rounds counts for each. Compile time stands apart. easyfsl is measured where it is installed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tyro

LIMITS = {
    "ProtoNet": 1,
    "SimpleShot": 1,
    "TIM": 10,
    "PT-MAP": 60,
}  # seconds for 1 000 tasks, to be reached
EASYFSL = {"ProtoNet": 6, "TIM": 185, "PT-MAP": 2380}  # seconds for 1 000 tasks in its own table
TASKS = 1000
KEPT = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
}  # freed memory stays with the process
SHOTS, BATCHES = (1, 5), (1, 16, 64)


@dataclass(frozen=True)
class Benchmark:
    """Measures everything, or one thing in a process of its own."""

    out: Path = Path("docs/results/benchmarks-few-shot")
    """where the page goes"""
    rounds: int = 2
    """turns that each side takes"""
    threads: tuple[int, ...] = (1,)
    """numbers of threads that MAML and ProtoNet are measured with; the first is 1"""
    worker: str = ""
    """what a process of its own measures, as JSON; for this program itself"""


# In processes of their own


def _episodes(ways: int, shots: int, queries: int) -> Any:
    """Episodes of images that mean nothing."""
    import numpy as np

    import learnset as ls

    x = np.random.default_rng(0).integers(0, 256, (60 * 20, 28, 28, 1), dtype=np.uint8)
    classes = ls.data.Labelled.from_arrays(x, np.repeat(np.arange(60), 20))
    parts = (classes.subset(range(first, first + 20)) for first in (0, 20, 40))
    return ls.Episodes(*parts, ways=ways, shots=shots, queries=queries)


def _seconds(step: Callable[[], Any], seconds: float, threads: int = 1) -> float:
    """Seconds of a call, the least of those that fit: the processor's, or with several threads the clock's."""
    import jax

    clock = time.process_time if threads == 1 else time.perf_counter
    best, spent = float("inf"), 0.0
    while spent < seconds:
        began = clock()
        jax.block_until_ready(step())
        took = clock() - began
        best, spent = min(best, took), spent + took
    return best


def _gradient(method: Any, model: Any, tasks: Any, count: int) -> tuple[Any, Any]:
    """The gradient as in training, and the episodes to take it on."""
    import equinox as eqx
    import jax.random as jr

    import learnset as ls
    from learnset.core._lowering import fast_dots

    def gradient(model: Any, batch: Any) -> Any:
        return fast_dots(
            lambda model, batch: method.gradient(model, batch, method.init(model), key=jr.key(0))[0]
        )(model, batch)

    return eqx.filter_jit(gradient), tasks.draw(count, ls.Split.TRAIN, key=jr.key(1))


def maml_rate(
    seconds: float, threads: int = 1, tasks: int = 16, together: bool = False
) -> dict[str, float]:
    """Tasks a second of the gradient of second-order MAML; `together` takes all tasks at once."""
    import jax.random as jr

    import learnset as ls
    from learnset.meta import _through

    if together:
        _through.APART = float("inf")
    encoder = ls.Conv4((28, 28, 1), strided=True, normalisation=ls.models.BatchNorm, key=jr.key(0))
    model = ls.models.classifier(encoder, 5, key=jr.key(1))
    gradient, batch = _gradient(ls.MAML(ls.cross_entropy, 0.4), model, _episodes(5, 1, 15), tasks)
    first = _seconds(lambda: gradient(model, batch), 0.1)
    took = _seconds(lambda: gradient(model, batch), seconds, threads)
    return {"rate": tasks / took, "compile_seconds": first}


def protonet_rate(seconds: float, threads: int = 1, strided: bool = True) -> dict[str, float]:
    """Training steps a second of a prototypical network, and what drawing an episode takes of one."""
    import equinox as eqx
    import jax.random as jr
    import optax

    import learnset as ls

    encoder = ls.Conv4(
        (28, 28, 1), strided=strided, normalisation=ls.models.BatchNorm, key=jr.key(0)
    )
    model, tasks, adam = ls.models.Headed(encoder, None), _episodes(20, 5, 5), optax.adam(1e-3)
    gradient, batch = _gradient(ls.ProtoNet(), model, tasks, 1)
    state = adam.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def update(grads: Any, state: Any, model: Any) -> Any:
        updates, state = adam.update(grads, state)
        return eqx.apply_updates(model, updates), state

    draw = eqx.filter_jit(
        lambda key: tasks.draw(32, ls.Split.TRAIN, key=key)
    )  # 32 steps at once, as `train` does

    def step() -> Any:
        return update(gradient(model, batch), state, model)

    for call in (step, lambda: draw(jr.key(0))):
        _seconds(call, 0.01)
    took, drawing = (
        _seconds(step, seconds, threads),
        _seconds(lambda: draw(jr.key(0)), seconds / 4, threads) / 32,
    )
    return {"rate": 1 / (took + drawing), "drawing": drawing / (took + drawing)}


def _feature_tasks(shots: int) -> tuple[Any, Any]:
    """Five-way tasks of features of 640 numbers with 15 queries a class, and features of other classes."""
    import jax.random as jr
    import numpy as np

    import learnset as ls

    random = np.random.default_rng(0)
    y = np.repeat(np.arange(60), 40)
    x = np.maximum(
        random.normal(0, 1, (60, 640))[y] + random.normal(0, 2, (len(y), 640)), 0
    ).astype(np.float32)
    classes = ls.data.Labelled.from_arrays(x, y)
    parts = [classes.subset(range(first, first + 20)) for first in (0, 20, 40)]
    episodes = ls.Episodes(*parts, ways=5, shots=shots, queries=15)
    return episodes.draw(TASKS, ls.Split.TEST, key=jr.key(0)), classes.x[:512]


def adapters() -> dict[str, dict[str, dict[str, float]]]:
    """Processor seconds to adapt to all tasks of features and to score them, and the share of queries told right."""
    import equinox as eqx

    import learnset as ls
    from learnset.core._lowering import fast_dots
    from learnset.training._evaluate import score

    of = {
        "ProtoNet": ls.Prototypes(),
        "SimpleShot": ls.SimpleShot(),
        "BD-CSPN": ls.transfer.BDCSPN(),
        "LaplacianShot": ls.transfer.LaplacianShot(),
        "TIM": ls.transfer.TIM(),
        "PT-MAP": ls.transfer.PTMAP(),
        "logistic head": ls.transfer.Logistic(),
        "support vectors": ls.transfer.SupportVectors(),
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    for shots in SHOTS:
        batch, others = _feature_tasks(shots)
        model = ls.transfer.centred(ls.models.Headed(ls.models.Raw(), None), others)
        for name, adapter in of.items():

            def scored(model: Any, batch: Any, adapter: Any = adapter) -> Any:
                return fast_dots(lambda m, b: score(adapter, m, b, ls.error_rate))(model, batch)

            program = eqx.filter_jit(scored).lower(model, batch).compile()
            right = 1 - float(program(model, batch).mean())
            seconds = _seconds(lambda p=program, m=model, b=batch: p(m, b), 0.1)
            found.setdefault(name, {})[str(shots)] = {"seconds": seconds, "right": right}
    return found


def easyfsl(seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """What easyfsl takes for each of the same tasks, as many as fit into `seconds`, and what it tells right."""
    import easyfsl_reference

    found: dict[str, dict[str, dict[str, float]]] = {}
    for shots in SHOTS:
        batch, others = _feature_tasks(shots)
        for name, method in easyfsl_reference.methods(others).items():
            found.setdefault(name, {})[str(shots)] = easyfsl_reference.per_task(
                method, batch, seconds
            )
    return found


def memory() -> dict[str, dict[str, float]]:
    """MiB that the meta-gradient needs beside its arguments, by XLA's own account, for each size of a meta-batch."""
    import jax.random as jr

    import learnset as ls

    encoder = ls.Conv4((28, 28, 1), strided=True, normalisation=ls.models.BatchNorm, key=jr.key(0))
    model, loss = ls.models.classifier(encoder, 5, key=jr.key(1)), ls.cross_entropy
    methods = {
        "MAML": (ls.MAML(loss, 0.4), model),
        "FOMAML": (ls.MAML(loss, 0.4, unroll=ls.transfer.Unroll.FIRST_ORDER), model),
        "ANIL": (ls.ANIL(loss, 0.4), model),
        "BOIL": (ls.BOIL(loss, 0.4), model),
        "Proto-MAML": (ls.ProtoMAML(loss, 0.01, 1), model),
        "Reptile": (ls.Reptile(loss, 0.1), model),
        "ProtoNet": (ls.ProtoNet(), model),
        "R2D2": (ls.R2D2(loss), ls.meta.WithRidge(model, scale=1.0)),
        "MetaOptNet": (ls.meta.MetaOptNet(), ls.meta.WithScale(model)),
    }
    tasks, found = _episodes(5, 1, 15), {}
    for name, (method, start) in methods.items():
        for count in BATCHES:
            gradient, batch = _gradient(method, start, tasks, count)
            analysis = gradient.lower(start, batch).compile().compiled.memory_analysis()
            found.setdefault(name, {})[str(count)] = analysis.temp_size_in_bytes / 2**20
    return found


def torch_rates(seconds: float, threads: int = 1) -> dict[str, dict[str, float]]:
    """Those of the references."""
    import torch_few_shot

    return torch_few_shot.torch_rates(seconds, threads)


WORKERS = {
    f.__name__: f for f in (maml_rate, protonet_rate, adapters, easyfsl, memory, torch_rates)
}


def apart(function: str, environment: dict[str, str] | None = None, **arguments: float) -> dict:
    """The result of a worker in a process of its own, with as many threads for XLA as it is to be measured with."""
    environment = (
        dict(os.environ) | {"NPROC": str(arguments.get("threads", 1))} | (environment or {})
    )
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


def measure(rounds: int, threads: tuple[int, ...]) -> dict:
    """All measurements, as plain numbers."""
    speeds = {str(count): speed(rounds, count) for count in threads}
    at_once = apart("maml_rate", seconds=3, together=True)["rate"]
    speeds[str(threads[0])]["maml"]["learnset, all tasks at once"] = at_once
    there = find_spec("easyfsl") is not None
    unoptimised = {
        "XLA_FLAGS": "--xla_backend_optimization_level=0"
    }  # machine code alone: buffers are the same
    return {
        "rounds": rounds,
        "speeds": speeds,
        "adapters": apart("adapters"),
        "easyfsl": apart("easyfsl", seconds=5) if there else {},
        "easyfsl_version": version("easyfsl") if there else "",
        "memory": apart("memory", unoptimised),
    }


def speed(rounds: int, threads: int) -> dict:
    """Rates of MAML and of a prototypical network in each form, with so many threads."""
    best: dict[str, dict[str, float]] = {"maml": {}, "protonet": {}}
    compiling, drawing = float("inf"), 1.0

    def note(of: str, name: str, rate: float) -> None:
        best[of][name] = max(best[of].get(name, 0.0), rate)
        print(f"{of}, {name}, {threads} threads: {rate:,.1f} /s", flush=True)

    for _ in range(rounds):
        ours = apart("maml_rate", seconds=3, threads=threads)
        compiling = min(compiling, ours["compile_seconds"])
        note("maml", "learnset", ours["rate"])
        ours = apart("protonet_rate", seconds=2, threads=threads)
        drawing = min(drawing, ours["drawing"])
        note("protonet", "learnset", ours["rate"])
        for environment, words in (({}, ""), (KEPT, ", memory kept")):
            for of, rates in apart(
                "torch_rates", environment, seconds=1.5, threads=threads
            ).items():
                for name, rate in rates.items():
                    note(of, name + words, rate)
    return best | {"compile_seconds": compiling, "drawing": drawing}


def page(found: dict) -> str:
    """The page, all of its numbers from `found`."""
    alone = next(iter(found["speeds"].values()))
    sizes = [
        "| method | " + " | ".join(f"meta-batch {count}" for count in BATCHES) + " |",
        "|---|---|---|---|",
    ]
    for name, of in found["memory"].items():
        sizes.append(
            f"| {name} | " + " | ".join(f"{of[str(count)]:,.0f} MiB" for count in BATCHES) + " |"
        )
    return f"""# Speed of few-shot classification

Made by `python benchmarks/few_shot.py --threads {" ".join(found["speeds"])}`. With one thread for each side
seconds are the processor's, with more the clock's. Turns that each side took: {found["rounds"]}; the best counts.
Images of 28 by 28, four strided convolutions of 64 with batch normalisation.

## Second-order MAML

Five ways, one shot, 15 queries a class, 16 tasks, one inner step.

{_rates(found["speeds"], "maml", "tasks/s", 2.5)}

Compiling takes {alone["compile_seconds"]:.0f} s. On a CPU large tasks are taken one after the other, each with its
gradient. Small networks, and learners whose weights are the same for all tasks, are taken all at once
(`learnset.meta._through.apart`). "Memory kept": the C library is told to keep freed memory, instead of asking the
system again.

## Prototypical network

Twenty ways, five shots, five queries a class, one task a step, with Adam.

{_rates(found["speeds"], "protonet", "steps/s", 1.5)}

Drawing an episode takes {alone["drawing"]:.1%} of a step.

## Adapting to features

1 000 tasks of five ways, 15 queries a class, on features of 640 numbers, all in one call, scored as well. The last
column has the seconds of easyfsl's own table, on another machine.

{_limits(found["adapters"])}

{_beside(found["adapters"], found["easyfsl"], found["easyfsl_version"])}

## Memory

Of the meta-gradient beside parameters and data, by size of the meta-batch, as for MAML above.

{chr(10).join(sizes)}
"""


def _rates(speeds: dict, of: str, unit: str, target: float) -> str:
    """A table for each number of threads, and whether the target was reached."""
    parts = []
    for threads, found in speeds.items():
        torch = max(rate for name, rate in found[of].items() if name.startswith("torch"))
        rows = [
            f"| form, {threads} thread{'s' * (threads != '1')} | {unit} | against the best torch form |",
            "|---|---|---|",
        ]
        ordered = sorted(found[of].items(), key=lambda item: -item[1])
        rows += [f"| {name} | {rate:,.1f} | {rate / torch:.2f}× |" for name, rate in ordered]
        word = "reached" if found[of]["learnset"] / torch >= target else "not reached"
        parts += ["\n".join(rows), f"The target, {target} times the best torch form, was {word}."]
    return "\n\n".join(parts)


def _limits(ours: dict) -> str:
    """Our seconds for all tasks beside what was to be reached."""
    rows = [
        "| 1 000 tasks | 1 shot | 5 shots | to be reached | easyfsl's table |",
        "|---|---|---|---|---|",
    ]
    for name, of in ours.items():
        limit = f"{LIMITS[name]} s" if name in LIMITS else ""
        theirs = f"{EASYFSL[name]:,} s" if name in EASYFSL else ""
        rows.append(
            f"| {name} | {of['1']['seconds']:.2f} s | {of['5']['seconds']:.2f} s | {limit} | {theirs} |"
        )
    return "\n".join(rows)


def _beside(ours: dict, theirs: dict, release: str) -> str:
    """easyfsl's rate beside ours, on the same tasks in the same run."""
    if not theirs:
        return "easyfsl was not installed where this was measured."
    head = "| shots | learnset, ms a task | easyfsl, ms a task | times as fast | tasks of easyfsl | right: learnset, easyfsl |"
    rows = [
        f"easyfsl {release} on the same tasks in the same run, one task after the other, with one thread and as many steps as"
        " ours; of the slower methods on the first tasks alone. Methods differ in more than speed (TIM there goes down"
        " a gradient, PT-MAP does not centre), so that they are not equally often right.",
        "",
        "| method " + head,
        "|---|---|---|---|---|---|---|",
    ]
    for name, of in theirs.items():
        for shots, his in of.items():
            mine = ours[name][shots]
            each = mine["seconds"] / TASKS
            rows.append(
                f"| {name} | {shots} | {1e3 * each:.2f} | {1e3 * his['seconds']:.2f} | {his['seconds'] / each:,.1f}× |"
                f" {his['tasks']:,} | {mine['right']:.1%}, {his['right']:.1%} |"
            )
    return "\n".join(rows)


def main(benchmark: Benchmark) -> None:
    """Measures and writes."""
    if benchmark.worker:
        function, arguments = json.loads(benchmark.worker)
        print(json.dumps(WORKERS[function](**arguments)))
        return
    found = measure(benchmark.rounds, benchmark.threads)
    benchmark.out.mkdir(parents=True, exist_ok=True)
    (benchmark.out / "result.json").write_text(json.dumps(found, indent=1) + "\n")
    (benchmark.out / "README.md").write_text(page(found))
    print((benchmark.out / "README.md").read_text())


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
