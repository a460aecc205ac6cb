"""Measures few-shot classification against plain PyTorch, and writes what it found as a page.

Usage: pip install torch==2.13.0 && python benchmarks/few_shot.py --out docs/results/benchmarks-few-shot

Each side has one thread, and time is that of the processor, so that other programs on the machine count for little.
JAX (each setting in a process of its own) and PyTorch take turns, and the best of all rounds counts for each. Compile
time stands apart.
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

LIMITS = {"ProtoNet": 1, "SimpleShot": 1, "TIM": 10, "PT-MAP": 60}  # seconds for 1 000 tasks, to be reached
EASYFSL = {"ProtoNet": 6, "TIM": 185, "PT-MAP": 2380}  # seconds for 1 000 tasks in its own table
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
    worker: str = ""
    """what a process of its own measures, as JSON; for this program itself"""


# In processes of their own


def _episodes(ways: int, shots: int, queries: int) -> Any:
    """Episodes of images that mean nothing."""
    import numpy as np

    import learnset as ls

    x = np.random.default_rng(0).integers(0, 256, (60 * 20, 28, 28, 1), dtype=np.uint8)
    classes = ls.Labelled.from_arrays(x, np.repeat(np.arange(60), 20))
    parts = (classes.subset(range(first, first + 20)) for first in (0, 20, 40))
    return ls.Episodes(*parts, ways=ways, shots=shots, queries=queries)


def _seconds(step: Callable[[], Any], seconds: float) -> float:
    """Processor seconds of a call, the least of those that fit."""
    import jax

    best, spent = float("inf"), 0.0
    while spent < seconds:
        began = time.process_time()
        jax.block_until_ready(step())
        took = time.process_time() - began
        best, spent = min(best, took), spent + took
    return best


def _gradient(method: Any, model: Any, tasks: Any, count: int) -> tuple[Any, Any]:
    """The gradient as in training, and the episodes to take it on."""
    import equinox as eqx
    import jax.random as jr

    import learnset as ls
    from learnset._lowering import fast_dots

    def gradient(model: Any, batch: Any) -> Any:
        return fast_dots(lambda model, batch: method.gradient(model, batch, method.init(model), key=jr.key(0))[0])(
            model, batch
        )

    return eqx.filter_jit(gradient), tasks.draw(count, ls.Split.TRAIN, key=jr.key(1))


def maml_rate(seconds: float, tasks: int = 16, together: bool = False) -> dict[str, float]:
    """Tasks a second of the gradient of second-order MAML; `together` takes all tasks at once."""
    import jax.random as jr

    import learnset as ls
    from learnset.meta import _through

    if together:
        _through.APART = float("inf")
    encoder = ls.Conv4((28, 28, 1), strided=True, normalisation=ls.BatchNorm, key=jr.key(0))
    model = ls.classifier(encoder, 5, key=jr.key(1))
    gradient, batch = _gradient(ls.MAML(ls.cross_entropy, 0.4), model, _episodes(5, 1, 15), tasks)
    first = _seconds(lambda: gradient(model, batch), 0.1)
    return {"rate": tasks / _seconds(lambda: gradient(model, batch), seconds), "compile_seconds": first}


def protonet_rate(seconds: float, strided: bool = True) -> dict[str, float]:
    """Training steps a second of a prototypical network, and what drawing an episode takes of one."""
    import equinox as eqx
    import jax.random as jr
    import optax

    import learnset as ls

    encoder = ls.Conv4((28, 28, 1), strided=strided, normalisation=ls.BatchNorm, key=jr.key(0))
    model, tasks, adam = ls.Headed(encoder, None), _episodes(20, 5, 5), optax.adam(1e-3)
    gradient, batch = _gradient(ls.ProtoNet(), model, tasks, 1)
    state = adam.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def update(grads: Any, state: Any, model: Any) -> Any:
        updates, state = adam.update(grads, state)
        return eqx.apply_updates(model, updates), state

    draw = eqx.filter_jit(lambda key: tasks.draw(32, ls.Split.TRAIN, key=key))  # 32 steps at once, as `train` does

    def step() -> Any:
        return update(gradient(model, batch), state, model)

    for call in (step, lambda: draw(jr.key(0))):
        _seconds(call, 0.01)
    took, drawing = _seconds(step, seconds), _seconds(lambda: draw(jr.key(0)), seconds / 4) / 32
    return {"rate": 1 / (took + drawing), "drawing": drawing / (took + drawing)}


def adapters() -> dict[str, dict[str, float]]:
    """Seconds to adapt to 1 000 tasks of features of 640 numbers, five ways and 15 queries a class, and to score them."""
    import equinox as eqx
    import jax.random as jr
    import numpy as np

    import learnset as ls
    from learnset._evaluate import score
    from learnset._lowering import fast_dots

    random = np.random.default_rng(0)
    y = np.repeat(np.arange(60), 40)
    x = np.maximum(random.normal(0, 1, (60, 640))[y] + random.normal(0, 2, (len(y), 640)), 0).astype(np.float32)
    classes = ls.Labelled.from_arrays(x, y)
    parts = [classes.subset(range(first, first + 20)) for first in (0, 20, 40)]
    model = ls.centred(ls.Headed(ls.Raw(), None), classes.x[:512])
    of = {
        "ProtoNet": ls.Prototypes(),
        "SimpleShot": ls.SimpleShot(),
        "BD-CSPN": ls.BDCSPN(),
        "LaplacianShot": ls.LaplacianShot(),
        "TIM": ls.TIM(),
        "PT-MAP": ls.PTMAP(),
        "logistic head": ls.Logistic(),
        "support vectors": ls.SupportVectors(),
    }
    found: dict[str, dict[str, float]] = {}
    for shots in SHOTS:
        batch = ls.Episodes(*parts, ways=5, shots=shots, queries=15).draw(1000, ls.Split.TEST, key=jr.key(0))
        for name, adapter in of.items():

            def scored(model: Any, batch: Any, adapter: Any = adapter) -> Any:
                return fast_dots(lambda m, b: score(adapter, m, b, ls.error_rate))(model, batch)

            program = eqx.filter_jit(scored).lower(model, batch).compile()
            found.setdefault(name, {})[str(shots)] = _seconds(lambda p=program, b=batch: p(model, b), 0.1)
    return found


def memory() -> dict[str, dict[str, float]]:
    """MiB that the meta-gradient needs beside its arguments, by XLA's own account, for each size of a meta-batch."""
    import jax.random as jr

    import learnset as ls

    encoder = ls.Conv4((28, 28, 1), strided=True, normalisation=ls.BatchNorm, key=jr.key(0))
    model, loss = ls.classifier(encoder, 5, key=jr.key(1)), ls.cross_entropy
    methods = {
        "MAML": (ls.MAML(loss, 0.4), model),
        "FOMAML": (ls.MAML(loss, 0.4, unroll=ls.Unroll.FIRST_ORDER), model),
        "ANIL": (ls.ANIL(loss, 0.4), model),
        "BOIL": (ls.BOIL(loss, 0.4), model),
        "Proto-MAML": (ls.ProtoMAML(loss, 0.01, 1), model),
        "Reptile": (ls.Reptile(loss, 0.1), model),
        "ProtoNet": (ls.ProtoNet(), model),
        "R2D2": (ls.R2D2(loss), ls.WithRidge(model, scale=1.0)),
        "MetaOptNet": (ls.MetaOptNet(), ls.WithScale(model)),
    }
    tasks, found = _episodes(5, 1, 15), {}
    for name, (method, start) in methods.items():
        for count in BATCHES:
            gradient, batch = _gradient(method, start, tasks, count)
            analysis = gradient.lower(start, batch).compile().compiled.memory_analysis()
            found.setdefault(name, {})[str(count)] = analysis.temp_size_in_bytes / 2**20
    return found


def torch_rates(seconds: float) -> dict[str, dict[str, float]]:
    """Those of the references."""
    import torch_few_shot

    return torch_few_shot.torch_rates(seconds)


WORKERS = {f.__name__: f for f in (maml_rate, protonet_rate, adapters, memory, torch_rates)}


def apart(function: str, environment: dict[str, str] | None = None, **arguments: float) -> dict:
    """The result of a worker in a process of its own, with one thread for XLA."""
    environment = dict(os.environ) | {"NPROC": "1"} | (environment or {})
    call = json.dumps([function, arguments])
    done = subprocess.run([sys.executable, __file__, "--worker", call], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# The whole


def measure(rounds: int) -> dict:
    """All measurements, as plain numbers."""
    best: dict[str, dict[str, float]] = {"maml": {}, "protonet": {}}

    def note(of: str, name: str, rate: float) -> None:
        best[of][name] = max(best[of].get(name, 0.0), rate)
        print(f"{of}, {name}: {rate:,.1f} /s", flush=True)

    compiling, drawing = float("inf"), 1.0
    for _ in range(rounds):
        ours = apart("maml_rate", seconds=3)
        compiling = min(compiling, ours["compile_seconds"])
        note("maml", "learnset", ours["rate"])
        ours = apart("protonet_rate", seconds=2)
        drawing = min(drawing, ours["drawing"])
        note("protonet", "learnset", ours["rate"])
        for environment, words in (({}, ""), (KEPT, ", memory kept")):
            for of, rates in apart("torch_rates", environment, seconds=1.5).items():
                for name, rate in rates.items():
                    note(of, name + words, rate)
    note("maml", "learnset, all tasks at once", apart("maml_rate", seconds=3, together=True)["rate"])
    unoptimised = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # machine code alone: buffers are the same
    return best | {
        "rounds": rounds,
        "compile_seconds": compiling,
        "drawing": drawing,
        "adapters": apart("adapters"),
        "memory": apart("memory", unoptimised),
    }


def page(found: dict) -> str:
    """The page, all of its numbers from `found`."""

    def rates(of: str, unit: str) -> str:
        torch = max(rate for name, rate in found[of].items() if name.startswith("torch"))
        rows = [f"| form | {unit} | against the best torch form |", "|---|---|---|"]
        ordered = sorted(found[of].items(), key=lambda item: -item[1])
        return "\n".join(rows + [f"| {name} | {rate:,.1f} | {rate / torch:.2f}× |" for name, rate in ordered])

    seconds = ["| 1 000 tasks | 1 shot | 5 shots | to be reached | easyfsl |", "|---|---|---|---|---|"]
    for name, of in found["adapters"].items():
        limit = f"{LIMITS[name]} s" if name in LIMITS else ""
        theirs = f"{EASYFSL[name]:,} s" if name in EASYFSL else ""
        seconds.append(f"| {name} | {of['1']:.2f} s | {of['5']:.2f} s | {limit} | {theirs} |")
    sizes = ["| method | " + " | ".join(f"meta-batch {count}" for count in BATCHES) + " |", "|---|---|---|---|"]
    for name, of in found["memory"].items():
        sizes.append(f"| {name} | " + " | ".join(f"{of[str(count)]:,.0f} MiB" for count in BATCHES) + " |")
    return f"""# Speed of few-shot classification

Made by `python benchmarks/few_shot.py`. One thread for each side; seconds are the processor's, since other programs
ran on the machine. Turns that each side took: {found["rounds"]}; the best counts. Images of 28 by 28, four strided
convolutions of 64 with batch normalisation.

## Second-order MAML

Five ways, one shot, 15 queries a class, 16 tasks, one inner step.

{rates("maml", "tasks/s")}

Compiling takes {found["compile_seconds"]:.0f} s. On a CPU large tasks are taken one after the other, each with its
gradient. Small networks, and learners whose weights are the same for all tasks, are taken all at once
(`learnset.meta._through.apart`). The target, 2.5 times the best torch form, was {_word(found["maml"], 2.5)}.
"Memory kept": the C library is told to keep freed memory, instead of asking the system again.

## Prototypical network

Twenty ways, five shots, five queries a class, one task a step, with Adam.

{rates("protonet", "steps/s")}

Drawing an episode takes {found["drawing"]:.1%} of a step. The target, 1.5 times torch, was
{_word(found["protonet"], 1.5)}.

## Adapting to features

1 000 tasks of five ways, 15 queries a class, on features of 640 numbers, all in one call, scored as well. easyfsl's
seconds are those of its own table, on another machine.

{chr(10).join(seconds)}

## Memory

Of the meta-gradient beside parameters and data, by size of the meta-batch, as for MAML above.

{chr(10).join(sizes)}
"""


def _word(rates: dict[str, float], target: float) -> str:
    """Whether we are so many times as fast as the best torch form."""
    torch = max(rate for name, rate in rates.items() if name.startswith("torch"))
    return "reached" if rates["learnset"] / torch >= target else "not reached"


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
