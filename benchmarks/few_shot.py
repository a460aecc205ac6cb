"""Measures few-shot classification against plain PyTorch, and writes the page.

Usage: pip install torch==2.13.0 easyfsl==1.5.0 && python benchmarks/few_shot.py --threads 1 2

With one thread, time is that of the processor, so that other programs on the machine count for
little; with more, it is that of the clock, and the machine should be quiet. JAX (each setting in a
process of its own) and PyTorch take turns, and the best of all rounds counts for each. Compile time
is separate. easyfsl is measured where it is installed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import Benchmark, clock_for, in_own_process, least_seconds, run, table, timed

LIMITS = {"ProtoNet": 1, "SimpleShot": 1, "TIM": 10, "PT-MAP": 60}  # targets: s for 1 000 tasks
EASYFSL = {"ProtoNet": 6, "TIM": 185, "PT-MAP": 2380}  # s for 1 000 tasks in its own table
TASKS = 1000
MAML_TARGET, PROTONET_TARGET = 2.5, 1.5  # times as fast as the best form of torch
# Freed memory stays with the process.
KEPT = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
SHOTS, BATCHES = (1, 5), (1, 16, 64)
Scores = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class FewShot(Benchmark):
    """Measures everything and writes the page."""

    threads: tuple[int, ...] = (1,)
    """numbers of threads that MAML and ProtoNet are measured with; the first is 1"""


# Workers


def _episodes(ways: int, shots: int, queries: int) -> Any:
    """Episodes of random images."""
    import numpy as np

    import learnset as ls

    x = np.random.default_rng(0).integers(0, 256, (60 * 20, 28, 28, 1), dtype=np.uint8)
    classes = ls.data.Labelled.from_arrays(x, np.repeat(np.arange(60), 20))
    parts = (classes.subset(range(first, first + 20)) for first in (0, 20, 40))
    return ls.Episodes(*parts, ways=ways, shots=shots, queries=queries)


def _encoder(strided: bool = True) -> Any:
    import jax.random as jr

    import learnset as ls

    norm = ls.models.BatchNorm
    return ls.Conv4((28, 28, 1), strided=strided, normalisation=norm, key=jr.key(0))


def _classifier() -> Any:
    import jax.random as jr

    import learnset as ls

    return ls.models.classifier(_encoder(), 5, key=jr.key(1))


def _ready(step: Callable[[], Any]) -> Callable[[], Any]:
    """The step, until its arrays are computed."""
    import jax

    return lambda: jax.block_until_ready(step())


def _gradient(method: Any, model: Any, tasks: Any, count: int) -> tuple[Any, Any]:
    """The gradient as in training, and the episodes to take it on."""
    import equinox as eqx
    import jax.random as jr

    import learnset as ls

    def gradient(model: Any, batch: Any) -> Any:
        return method.gradient(model, batch, method.init(model), key=jr.key(0))[0]

    program = eqx.filter_jit(ls.core.fast_dots(gradient))
    return program, tasks.draw(count, ls.Split.TRAIN, key=jr.key(1))


def maml_rate(
    seconds: float, threads: int = 1, tasks: int = 16, batched: bool = False
) -> dict[str, float]:
    """Tasks a second of the gradient of second-order MAML; `batched` takes all tasks at once."""
    import equinox as eqx

    import learnset as ls

    maml, model = ls.MAML(ls.cross_entropy, 0.4), _classifier()
    gradient, batch = _gradient(maml, model, _episodes(5, 1, 15), tasks)
    if batched:

        def loss(model: Any, batch: Any) -> Any:
            return ls.meta.query_loss(model, maml.adapter, maml.loss, batch)

        gradient = eqx.filter_jit(ls.core.fast_dots(eqx.filter_grad(loss)))
    step = _ready(lambda: gradient(model, batch))
    compiling, _ = timed(step)
    took = least_seconds(step, seconds, clock_for(threads))
    return {"rate": tasks / took, "compile_seconds": compiling}


def protonet_rate(seconds: float, threads: int = 1, strided: bool = True) -> dict[str, float]:
    """Training steps a second of a prototypical network, and the share that drawing takes."""
    import equinox as eqx
    import jax.random as jr
    import optax

    import learnset as ls

    model = ls.models.Headed(_encoder(strided), None)
    tasks, adam = _episodes(20, 5, 5), optax.adam(1e-3)
    gradient, batch = _gradient(ls.ProtoNet(), model, tasks, 1)
    state = adam.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def update(grads: Any, state: Any, model: Any) -> Any:
        updates, state = adam.update(grads, state)
        return eqx.apply_updates(model, updates), state

    # Episodes of 32 steps are drawn at once, as `train` does.
    draw = eqx.filter_jit(lambda key: tasks.draw(32, ls.Split.TRAIN, key=key))
    step = _ready(lambda: update(gradient(model, batch), state, model))
    clock = clock_for(threads)
    took = least_seconds(step, seconds, clock)
    drawing = least_seconds(_ready(lambda: draw(jr.key(0))), seconds / 4, clock) / 32
    return {"rate": 1 / (took + drawing), "drawing": drawing / (took + drawing)}


def _feature_tasks(shots: int) -> tuple[Any, Any]:
    """Five-way tasks of 640 features, 15 queries a class, and features of other classes."""
    import jax.random as jr
    import numpy as np

    import learnset as ls

    random = np.random.default_rng(0)
    y = np.repeat(np.arange(60), 40)
    x = random.normal(0, 1, (60, 640))[y] + random.normal(0, 2, (len(y), 640))
    classes = ls.data.Labelled.from_arrays(np.maximum(x, 0).astype(np.float32), y)
    parts = [classes.subset(range(first, first + 20)) for first in (0, 20, 40)]
    episodes = ls.Episodes(*parts, ways=5, shots=shots, queries=15)
    return episodes.draw(TASKS, ls.Split.TEST, key=jr.key(0)), classes.x[:512]


def adapters() -> Scores:
    """Processor seconds to adapt to all tasks and to score them, and the share of right answers."""
    import equinox as eqx

    import learnset as ls

    methods = {
        "ProtoNet": ls.Prototypes(),
        "SimpleShot": ls.SimpleShot(),
        "BD-CSPN": ls.transfer.BDCSPN(),
        "LaplacianShot": ls.transfer.LaplacianShot(),
        "TIM": ls.transfer.TIM(),
        "PT-MAP": ls.transfer.PTMAP(),
        "logistic head": ls.transfer.Logistic(),
        "support vectors": ls.transfer.SupportVectors(),
    }

    def score(adapter: Any, model: Any, batch: Any) -> dict[str, float]:
        def errors(model: Any, batch: Any) -> Any:
            return ls.training.score(adapter, model, batch, ls.error_rate)

        program = eqx.filter_jit(ls.core.fast_dots(errors)).lower(model, batch).compile()
        right = 1 - float(program(model, batch).mean())
        seconds = least_seconds(_ready(lambda: program(model, batch)), 0.1)
        return {"seconds": seconds, "right": right}

    scores: Scores = {name: {} for name in methods}
    for shots in SHOTS:
        batch, others = _feature_tasks(shots)
        model = ls.transfer.centred(ls.models.Headed(ls.models.Raw(), None), others)
        for name, adapter in methods.items():
            scores[name][str(shots)] = score(adapter, model, batch)
    return scores


def easyfsl(seconds: float) -> Scores:
    """The same of easyfsl, one task after the other, as many as fit into `seconds`."""
    import easyfsl_reference as reference

    scores: Scores = {}
    for shots in SHOTS:
        batch, others = _feature_tasks(shots)
        for name, method in reference.methods(others).items():
            result = reference.per_task(method, batch, seconds)
            scores.setdefault(name, {})[str(shots)] = result
    return scores


def memory() -> dict[str, dict[str, float]]:
    """MiB of the meta-gradient in addition to its arguments, as XLA counts, by meta-batch."""
    import learnset as ls

    model, loss = _classifier(), ls.cross_entropy
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
    tasks, sizes = _episodes(5, 1, 15), {}
    for name, (method, start) in methods.items():
        for count in BATCHES:
            gradient, batch = _gradient(method, start, tasks, count)
            analysis = gradient.lower(start, batch).compile().compiled.memory_analysis()
            sizes.setdefault(name, {})[str(count)] = analysis.temp_size_in_bytes / 2**20
    return sizes


def torch_rates(seconds: float, threads: int = 1) -> dict[str, dict[str, float]]:
    """Those of the references."""
    import torch_few_shot

    return torch_few_shot.torch_rates(seconds, threads)


# The whole


def with_threads(threads: int) -> dict[str, str]:
    """The size of XLA's pool."""
    return {"NPROC": str(threads)}


def measure(benchmark: FewShot) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    speeds = {str(count): speed(benchmark.rounds, count) for count in benchmark.threads}
    one = with_threads(1)
    at_once = in_own_process(maml_rate, one, seconds=3, batched=True)["rate"]
    speeds[str(benchmark.threads[0])]["maml"]["learnset, all tasks at once"] = at_once
    installed = find_spec("easyfsl") is not None
    # Without optimised machine code: buffers are the same.
    fast = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    return {
        "rounds": benchmark.rounds,
        "speeds": speeds,
        "adapters": in_own_process(adapters, one),
        "easyfsl": in_own_process(easyfsl, one, seconds=5) if installed else {},
        "easyfsl_version": version("easyfsl") if installed else "",
        "memory": in_own_process(memory, one | fast),
    }


def speed(rounds: int, threads: int) -> dict[str, Any]:
    """Rates of MAML and of a prototypical network in each form, with this number of threads."""
    best: dict[str, dict[str, float]] = {"maml": {}, "protonet": {}}
    compiling, drawing, pool = float("inf"), 1.0, with_threads(threads)

    def note(of: str, name: str, rate: float) -> None:
        best[of][name] = max(best[of].get(name, 0.0), rate)
        print(f"{of}, {name}, {threads} threads: {rate:,.1f} /s", flush=True)

    for _ in range(rounds):
        maml = in_own_process(maml_rate, pool, seconds=3, threads=threads)
        compiling = min(compiling, maml["compile_seconds"])
        note("maml", "learnset", maml["rate"])
        protonet = in_own_process(protonet_rate, pool, seconds=2, threads=threads)
        drawing = min(drawing, protonet["drawing"])
        note("protonet", "learnset", protonet["rate"])
        for environment, suffix in (({}, ""), (KEPT, ", memory kept")):
            torch = in_own_process(torch_rates, pool | environment, seconds=1.5, threads=threads)
            for of, rates in torch.items():
                for name, rate in rates.items():
                    note(of, name + suffix, rate)
    return best | {"compile_seconds": compiling, "drawing": drawing}


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    speeds = result["speeds"]
    one = next(iter(speeds.values()))
    return f"""# Speed of few-shot classification

Made by `python benchmarks/few_shot.py --threads {" ".join(speeds)}`. With one thread for each side,
seconds are of the processor; with more, of the clock. Turns that each side took:
{result["rounds"]}; the best counts. Images of 28 by 28, four strided convolutions of 64 with batch
normalisation.

## Second-order MAML

Five ways, one shot, 15 queries a class, 16 tasks, one inner step.

{_rates(speeds, "maml", "tasks/s", MAML_TARGET)}

Compiling takes {one["compile_seconds"]:.0f} s. On a CPU, large tasks are taken one after the other,
each with its gradient, and small ones in tiles that fit the cache. "Memory kept": the C library is
told to keep freed memory, instead of asking the system again.

## Prototypical network

Twenty ways, five shots, five queries a class, one task a step, with Adam.

{_rates(speeds, "protonet", "steps/s", PROTONET_TARGET)}

Drawing an episode takes {one["drawing"]:.1%} of a step.

## Adapting to features

1 000 tasks of five ways, 15 queries a class, 640 features, all in one call, scored as well. The
last column has the seconds of easyfsl's own table, on another machine.

{_limits(result["adapters"])}

{_against_easyfsl(result["adapters"], result["easyfsl"], result["easyfsl_version"])}

## Memory

Of the meta-gradient in addition to parameters and data, by size of the meta-batch, as for MAML
above.

{_memory(result["memory"])}
"""


def _rates(speeds: dict[str, Any], of: str, unit: str, target: float) -> str:
    """A table for each number of threads, and whether the target was reached."""
    parts = []
    for threads, rates in ((threads, speed[of]) for threads, speed in speeds.items()):
        torch = max(rate for name, rate in rates.items() if name.startswith("torch"))
        head = [f"form, {threads} thread{'s' * (threads != '1')}", unit, "against the best torch"]
        ordered = sorted(rates.items(), key=lambda item: -item[1])
        rows = ([name, f"{rate:,.1f}", f"{rate / torch:.2f}×"] for name, rate in ordered)
        verdict = "reached" if rates["learnset"] / torch >= target else "not reached"
        parts.append(table(head, rows))
        parts.append(f"The target, {target} times the best torch form, was {verdict}.")
    return "\n\n".join(parts)


def _limits(ours: Scores) -> str:
    """Our seconds for all tasks against the target."""
    rows = []
    for name, of in ours.items():
        seconds = [f"{of[str(shots)]['seconds']:.2f} s" for shots in SHOTS]
        target = f"{LIMITS[name]} s" if name in LIMITS else ""
        rows.append([name, *seconds, target, f"{EASYFSL[name]:,} s" if name in EASYFSL else ""])
    return table(["1 000 tasks", "1 shot", "5 shots", "target", "easyfsl's table"], rows)


def _against_easyfsl(ours: Scores, theirs: Scores, release: str) -> str:
    """Seconds and accuracy on the same tasks in the same run."""
    if not theirs:
        return "easyfsl was not installed where this was measured."
    head = ["method", "shots", "learnset, ms a task", "easyfsl, ms a task", "times as fast"]
    head += ["tasks of easyfsl", "right: learnset, easyfsl"]
    rows = []
    for name, of in theirs.items():
        for shots, reference in of.items():
            own, other = ours[name][shots]["seconds"] / TASKS, reference["seconds"]
            times = [f"{1e3 * own:.2f}", f"{1e3 * other:.2f}", f"{other / own:,.1f}×"]
            right = f"{ours[name][shots]['right']:.1%}, {reference['right']:.1%}"
            rows.append([name, shots, *times, f"{reference['tasks']:,}", right])
    return f"""easyfsl {release} on the same tasks in the same run, one task after the other, with
one thread and the number of steps of ours; of the slower methods the first tasks only. Methods
differ in more than speed (TIM follows a gradient there, PT-MAP does not centre), so their
accuracies differ.

{table(head, rows)}"""


def _memory(sizes: dict[str, dict[str, float]]) -> str:
    rows = ([name, *(f"{of[str(n)]:,.0f} MiB" for n in BATCHES)] for name, of in sizes.items())
    return table(["method", *(f"meta-batch {count}" for count in BATCHES)], rows)


if __name__ == "__main__":
    run(
        FewShot(Path("docs/results/benchmarks-few-shot")),
        (maml_rate, protonet_rate, adapters, easyfsl, memory, torch_rates),
        measure,
        page,
    )
