"""Measures training steps on a GPU against PyTorch, eager and in a CUDA graph; writes the page.

Usage: pip install 'jax[cuda13]' torch==2.13.0 torchjd==0.18.0 && python benchmarks/gpu.py

Nearly all of its time is compilation. XLA compiles a program for a GPU on one thread: a training of
sinusoids took 15 s on an H200 machine, and six of convolutions were not ready after 100 s.
`--only` takes some parts, and leaves the numbers of others as they are. `--tiny` takes small sizes
and short times, so that the program can be tried where there is no GPU: what it measures then says
nothing.

PyTorch is measured first, which compiles nothing; then learnset, part by part, quick ones first.
The programs of a part are compiled side by side, then measured one after another, by the clock, and
the best of several calls counts. Each number is kept at once, so that a run that is stopped loses
none. What is not installed is left out, and what fails is named.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu_page import IN_BUFFERS, page, PARTS, WAYS
from harness import in_own_process, least_seconds, Pieces, run

SINUSOIDS, IMAGES = (25, 1_000, 10_000), (16, 128)  # tasks a step
MATRICES, MAZES, SEEDED = ((32, 10**5), (128, 10**5)), (64, 4_096, 16_384), (64,)
BALANCERS = ("UPGrad", "MGDA", "IMTL-G", "Aligned-MTL")
PRECISIONS = {"TF32": "tensorfloat32", "float32": "highest"}
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # memory, with torch
AT_ONCE = 14  # programs that are compiled side by side


@dataclass(frozen=True)
class OnGPU(Pieces):
    """Measures everything, or some parts of it, and writes the page."""

    seconds: float = 0.6
    """of each measurement"""
    tiny: bool = False
    """small sizes and one precision, to try the program"""


class Kept:
    """Numbers by section, setting and name, in a file that is written whenever one is added."""

    def __init__(self, path: str):
        self.path = Path(path)

    def all(self) -> dict[str, Any]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def add(self, section: str, setting: str, **values: Any) -> None:
        numbers = self.all()
        numbers.setdefault(section, {}).setdefault(setting, {}).update(values)
        self.path.write_text(json.dumps(numbers, indent=1) + "\n")
        print(section, setting, values, flush=True)


# Workers of learnset


@dataclass(frozen=True)
class Work:
    """Something to measure: `prepare` compiles it, and gives what measures it."""

    section: str
    setting: str
    name: str
    prepare: Callable[[], Callable[[float], Any]]
    precision: str = "TF32"


def ours(path: str, parts: list[str], seconds: float, tiny: bool) -> dict[str, Any]:
    """All measurements of learnset as it is."""
    works = [*_images("learnset", tiny), *_sinusoids("learnset", tiny), *_others(tiny)]
    return _measured(Kept(path), works, parts, seconds, 1 if tiny else AT_ONCE)


def other_forms(path: str, parts: list[str], seconds: float, tiny: bool) -> dict[str, Any]:
    """Convolutions in the form that is not chosen: MAML in that of shared weights, the prototypical
    network in that of weights that differ."""
    from learnset.models import _convolution

    form = threading.local()
    _convolution.convolve = lambda x, weight, stride: form.of(x, weight, stride)

    def formed(work: Work) -> Work:
        def prepare() -> Callable[[float], Any]:
            form.of = _convolution.by_lax if work.section == "images" else _convolution.by_product
            return work.prepare()

        return replace(work, prepare=prepare)

    works = [formed(w) for w in _images("learnset, other form", tiny) if w.precision == "TF32"]
    return _measured(Kept(path), works, parts, seconds, 1 if tiny else AT_ONCE)


def in_buffers(path: str, parts: list[str], seconds: float, tiny: bool) -> dict[str, Any]:
    """Sinusoids with whole loops in command buffers, by a flag of XLA."""
    works = [w for w in _sinusoids("learnset, in command buffers", tiny) if w.precision == "TF32"]
    return _measured(Kept(path), works, parts, seconds, 1 if tiny else AT_ONCE)


def _measured(
    kept: Kept, works: list[Work], parts: list[str], seconds: float, at_once: int
) -> dict[str, Any]:
    """Compiles each part side by side, then measures one work after another."""
    import jax

    def prepared(work: Work) -> Callable[[float], Any]:
        with jax.default_matmul_precision(PRECISIONS[work.precision]):
            return work.prepare()

    card = jax.devices()[0]
    kept.add("about", "device", card=getattr(card, "device_kind", str(card)), jax=jax.__version__)
    for part in parts:
        some = [work for work in works if work.section == part]
        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            futures = [pool.submit(prepared, work) for work in some]
        if some:
            took = {some[0].name: time.perf_counter() - began}
            kept.add("seconds to compile", part, **took)
        for work, future in zip(some, futures, strict=True):
            try:
                with jax.default_matmul_precision(PRECISIONS[work.precision]):
                    kept.add(part, work.setting, **{work.name: future.result()(seconds)})
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"[:500]
                kept.add("failed", f"{part}, {work.setting}, {work.name}", reason=reason)
    return {}


def _precisions(tiny: bool) -> list[str]:
    return list(PRECISIONS)[: 1 if tiny else None]


def _images(name: str, tiny: bool) -> Iterator[Work]:
    """MAML, strided, and a prototypical network, pooled."""
    import few_shot

    import learnset as ls

    for precision in _precisions(tiny):
        for tasks in (1,) if tiny else IMAGES:

            def maml(tasks: int = tasks) -> Callable[[float], float]:
                episodes = few_shot._episodes(5, 1, 15)
                method = ls.MAML(ls.cross_entropy, 0.4)
                return _training(method, few_shot._classifier(), episodes, tasks, 16)

            yield Work("images", f"{tasks} {precision}", name, maml, precision)

        def protonet() -> Callable[[float], float]:
            model = ls.models.Headed(few_shot._encoder(strided=False), None)
            episodes = few_shot._episodes(WAYS, 5, 5)
            return _training(ls.ProtoNet(), model, episodes, 1, 32)

        yield Work("protonet", f"1 {precision}", name, protonet, precision)


def _sinusoids(name: str, tiny: bool) -> Iterator[Work]:
    import training

    import learnset as ls

    for precision in _precisions(tiny):
        for tasks in (2,) if tiny else SINUSOIDS:

            def maml(tasks: int = tasks) -> Callable[[float], float]:
                method = ls.MAML(ls.mse, inner_lr=0.01)
                return _training(method, training.network(), ls.Sinusoids(), tasks, 256)

            yield Work("sinusoids", f"{tasks} {precision}", name, maml, precision)


def _others(tiny: bool) -> Iterator[Work]:
    """Balancers, and the water maze."""
    for tasks, params in ((2, 10),) if tiny else MATRICES:
        for name in BALANCERS:

            def balancer(
                name: str = name, tasks: int = tasks, params: int = params
            ) -> Callable[[float], float]:
                return _balancer(name, tasks, params)

            yield Work("balancers", f"{name} {tasks} {params}", "learnset", balancer, "float32")
    for batch in (2,) if tiny else MAZES:
        yield Work("mazes", str(batch), "learnset", lambda batch=batch: _mazes(batch))
    for batch in (2,) if tiny else SEEDED:
        yield Work("seeds", str(batch), "seconds", lambda batch=batch: _seeds(batch))


def _training(
    method: Any, model: Any, tasks: Any, tasks_per_step: int, window: int
) -> Callable[[float], float]:
    """What measures tasks a second of `learnset.train`, drawing, Adam and all."""
    import jax.random as jr
    import optax

    import learnset as ls

    def seconds_of(steps: int) -> float:
        return ls.train(
            method,
            model,
            tasks,
            optax.adam(1e-3),
            steps=steps,
            key=jr.key(1),
            tasks_per_step=tasks_per_step,
            log_every=window,
            progress=False,
        ).seconds

    seconds_of(1)

    def measure(seconds: float) -> float:
        windows = max(1, round(seconds / 3 / seconds_of(window)))
        least = min(seconds_of(windows * window) for _ in range(3))
        return tasks_per_step * windows * window / least

    return measure


def _balancer(name: str, tasks: int, params: int) -> Callable[[float], float]:
    """What measures seconds of one aggregation."""
    import balancers
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    rows = jnp.asarray(balancers.matrix("independent", tasks, params))
    method = balancers._methods()[name]
    program = jax.jit(lambda rows, key: method.direction(rows, key=key))

    def call() -> Any:
        return jax.block_until_ready(program(rows, jr.key(0)))

    call()
    return lambda seconds: least_seconds(call, seconds / 4, time.perf_counter)


def _mazes(batch: int) -> Callable[[float], float]:
    """What measures steps a second of the water maze with training."""
    import envs
    import jax.random as jr

    agent = envs.new_agent()
    envs.trained(1, batch, agent, jr.key(2))

    def measure(seconds: float) -> float:
        one = envs.trained(1, batch, agent, jr.key(2)).seconds
        steps = max(1, round(seconds / 3 / one))
        least = min(envs.trained(steps, batch, agent, jr.key(2)).seconds for _ in range(3))
        return steps * batch * envs.HORIZON / least

    return measure


def _seeds(batch: int) -> Callable[[float], dict[str, float]]:
    """What measures seconds of a step of five runs, one after another and together."""
    import envs

    envs.seeds_rate(batch, 0)
    return lambda seconds: envs.seeds_rate(batch, 2 * seconds)


# Workers of torch


def theirs(path: str, parts: list[str], seconds: float, tiny: bool) -> dict[str, Any]:
    """All measurements of PyTorch and TorchJD."""
    import torch
    import torch_few_shot
    import torch_reference

    kept = Kept(path)
    kept.add("about", "device", torch=torch.__version__)
    torch.set_default_device(_place())
    torch.backends.cudnn.benchmark = True
    options = {"capturable": True} if torch.cuda.is_available() else {}
    steps: dict[tuple[str, int], Callable[[], Any]] = {
        ("protonet", 1): (lambda: torch_few_shot.protonet_step(False, True, **options))
    }
    for tasks in (2,) if tiny else SINUSOIDS:
        steps["sinusoids", tasks] = lambda n=tasks: torch_reference.vmap_step(n, **options)
    for tasks in (1,) if tiny else IMAGES:
        steps["images", tasks] = lambda n=tasks: torch_few_shot.maml_step(
            "vmap", False, n, **options
        )
    for precision in _precisions(tiny):
        tf32 = precision == "TF32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        for (section, tasks), make in steps.items():
            if section not in parts:
                continue
            setting, step = f"{tasks} {precision}", make()
            kept.add(section, setting, torch=tasks / _torch_seconds(step, seconds / 2))
            if torch.cuda.is_available():
                graphed = tasks / _torch_seconds(_graphed(step), seconds / 2)
                kept.add(section, setting, **{"torch, CUDA graph": graphed})
    torch.backends.cuda.matmul.allow_tf32 = False
    if "balancers" in parts and find_spec("torchjd") is not None:
        for tasks, params in ((2, 10),) if tiny else MATRICES:
            _torchjd(kept, tasks, params, seconds)
    return {}


def _torchjd(kept: Kept, tasks: int, params: int, seconds: float) -> None:
    """Seconds of one aggregation by TorchJD."""
    import balancers
    import torch

    rows = torch.asarray(balancers.matrix("independent", tasks, params), device=_place())
    for name in BALANCERS:
        aggregator = balancers._aggregator(name)

        def call(aggregator: Any = aggregator) -> None:
            _synchronised(lambda: aggregator(rows))

        took = least_seconds(call, seconds / 4, time.perf_counter)
        kept.add("balancers", f"{name} {tasks} {params}", TorchJD=took)


def _place() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _synchronised(call: Callable[[], Any]) -> None:
    import torch

    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _torch_seconds(step: Callable[[], Any], seconds: float) -> float:
    """Seconds of a step, of ten in a row: a queue hides the time to hand work over."""

    def ten() -> None:
        for _ in range(10):
            step()

    return least_seconds(lambda: _synchronised(ten), seconds, time.perf_counter) / 10


def _graphed(step: Callable[[], Any]) -> Callable[[], Any]:
    """The step as one CUDA graph, after a warm-up on a stream of its own."""
    import torch

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


# The whole


def measure(benchmark: OnGPU) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    parts = [part for part in PARTS if part in (benchmark.only or PARTS)]
    if unknown := set(benchmark.only) - set(PARTS):
        raise SystemExit(f"There is no part {min(unknown)!r}. There are: {', '.join(PARTS)}.")
    tiny, path = benchmark.tiny, benchmark.out / "result.json"
    kept = Kept(str(path))
    others = {} if not benchmark.only else kept.all()
    path.write_text(json.dumps({n: of for n, of in others.items() if n not in (*parts, "failed")}))
    kept.add("about", "tiny", tiny=tiny)
    setting = {"path": str(path), "parts": parts, "seconds": 0.01 if tiny else benchmark.seconds}
    workers: list[tuple[Any, dict[str, str]]] = [(ours, {})]
    if find_spec("torch") is not None:
        workers.insert(0, (theirs, {}))
    if {"images", "protonet"} & set(parts):
        workers.append((other_forms, {}))
    if "sinusoids" in parts:
        workers.append((in_buffers, IN_BUFFERS))
    for worker, environment in workers:
        if tiny:
            worker(**setting, tiny=True)
            continue
        try:
            in_own_process(worker, SHARED | environment, **setting, tiny=False)
        except RuntimeError as error:  # it is named, and the others go on
            kept.add("failed", worker.__name__, reason=str(error)[-500:])
    return kept.all()


if __name__ == "__main__":
    run(
        OnGPU(Path("docs/results/benchmarks-gpu")),
        (ours, theirs, other_forms, in_buffers),
        measure,
        page,
    )
