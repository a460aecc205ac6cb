"""Measures training steps on a GPU against PyTorch, eager and in a CUDA graph; writes the page.

Usage: pip install 'jax[cuda13]' torch==2.13.0 torchjd==0.18.0 && python benchmarks/gpu.py

Nearly all of its time is compilation: a training with convolutions has some fifty matrix products,
and XLA compiles and tries many kernels for each. So all programs are first compiled side by side,
each in a process of its own, into a folder from which they are then read; what is not ready after
`--ready` seconds is left out, and named. `--flags '--xla_gpu_enable_triton_gemm=false'` leaves
products of convolutions to the libraries of the GPU, which needs no kernels to be compiled; the
page says so.

Then one program after another is measured with nothing else on the GPU, by the clock, and the best
of several calls counts: learnset, PyTorch, and learnset in other forms. Each number is kept at
once, so that a run that is stopped loses none. What is not installed is left out, and what fails is
named. `--only` takes some parts, and leaves the numbers of others as they are. `--tiny` takes small
sizes and short times, so that the program can be tried where there is no GPU: what it measures then
says nothing.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu_page import IN_BUFFERS, page, PARTS
from gpu_works import (
    BALANCERS,
    IMAGES,
    images,
    MATRICES,
    others,
    PRECISIONS,
    precisions,
    SINUSOIDS,
    sinusoids,
    Work,
)
from harness import in_own_process, least_seconds, Pieces, run

SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # memory, with torch
CONVOLUTIONS = ("protonet", "images")
SMALL = ("balancers",)  # parts whose programs one process compiles


@dataclass(frozen=True)
class OnGPU(Pieces):
    """Measures everything, or some parts of it, and writes the page."""

    seconds: float = 0.6
    """of each measurement"""
    tiny: bool = False
    """small sizes and one precision, to try the program"""
    ready: float = 60.0
    """seconds that programs have to be compiled in"""
    flags: str = ""
    """of XLA, for convolutions of learnset; the page states them"""


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
class Asked:
    """What of its works a worker is to do."""

    parts: list[str]
    seconds: float  # of each measurement; 0: compile only
    tiny: bool
    setting: str = ""  # the only one
    without: tuple[str, ...] = ()  # works by name, which could not be compiled


def ours(path: str, **asked: Any) -> dict[str, Any]:
    """All measurements of learnset as it is."""
    return _measured(Kept(path), _ours(asked["tiny"]), Asked(**asked))


def _ours(tiny: bool) -> list[Work]:
    return [*images("learnset", tiny), *sinusoids("learnset", tiny), *others(tiny)]


def other_forms(path: str, **asked: Any) -> dict[str, Any]:
    """Convolutions in the form that is not chosen: MAML in that of shared weights, the prototypical
    network in that of weights that differ."""
    from learnset.models import _convolution

    form: list[Any] = []
    _convolution.convolve = lambda x, weight, stride: form[0](x, weight, stride)

    def formed(work: Work) -> Work:
        def prepare() -> Callable[[float], Any]:
            images = work.section == "images"
            form[:] = [_convolution.by_lax if images else _convolution.by_product]
            return work.prepare()

        return replace(work, prepare=prepare)

    works = [formed(work) for work in _other_forms(asked["tiny"])]
    return _measured(Kept(path), works, Asked(**asked))


def _other_forms(tiny: bool) -> list[Work]:
    return [work for work in images("learnset, other form", tiny) if work.precision == "TF32"]


def in_buffers(path: str, **asked: Any) -> dict[str, Any]:
    """Sinusoids with whole loops in command buffers, by a flag of XLA."""
    return _measured(Kept(path), _in_buffers(asked["tiny"]), Asked(**asked))


def _in_buffers(tiny: bool) -> list[Work]:
    name = "learnset, in command buffers"
    return [work for work in sinusoids(name, tiny) if work.precision == "TF32"]


def _measured(kept: Kept, works: list[Work], asked: Asked) -> dict[str, Any]:
    """Compiles and measures one work after another; or gives the seconds to compile them."""
    import jax

    def wanted(work: Work) -> bool:
        setting = asked.setting in ("", work.setting)
        return work.section in asked.parts and setting and work.title not in asked.without

    card, took = jax.devices()[0], 0.0
    if asked.seconds:
        kept.add("about", "device", card=getattr(card, "device_kind", str(card)))
        kept.add("about", "device", jax=jax.__version__)
    works = [work for work in works if wanted(work)]
    for work in sorted(works, key=lambda work: asked.parts.index(work.section)):
        try:
            with jax.default_matmul_precision(PRECISIONS[work.precision]):
                began = time.perf_counter()
                measure = work.prepare()
                took += time.perf_counter() - began
                if asked.seconds:
                    kept.add(work.section, work.setting, **{work.name: measure(asked.seconds)})
        except Exception as error:
            if not asked.seconds:
                raise
            kept.add("failed", work.title, reason=f"{type(error).__name__}: {error}"[:500])
    return {"seconds": took}


# Workers of torch


def theirs(
    path: str, parts: list[str], seconds: float, tiny: bool, without: Any = ()
) -> dict[str, Any]:
    """All measurements of PyTorch and TorchJD."""
    del without  # it compiles nothing
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
    for precision in precisions(tiny):
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
    kept.add("about", "flags", flags=benchmark.flags)
    setting = {"path": str(path), "parts": parts, "seconds": 0.01 if tiny else benchmark.seconds}
    folder = tempfile.TemporaryDirectory()
    with folder:
        workers = _workers(parts, benchmark.flags, folder.name)
        if not tiny:
            setting["without"] = compiled(workers, setting, benchmark.ready, kept)
        for worker, some, environment in workers:
            if tiny:
                worker(**setting | {"parts": some}, tiny=True)
                continue
            try:
                in_own_process(worker, environment, **setting | {"parts": some}, tiny=False)
            except RuntimeError as error:  # it is named, and the others go on
                kept.add("failed", worker.__name__, reason=str(error)[-500:])
    return kept.all()


Turn = tuple[Any, list[str], dict[str, str]]  # a worker, its parts, its environment


def _workers(parts: list[str], flags: str, folder: str) -> list[Turn]:
    """Whose turn it is, those whose numbers matter most first."""
    cached = {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def with_flags(more: str = "") -> dict[str, str]:
        given = " ".join(filter(None, (os.environ.get("XLA_FLAGS", ""), more)))
        return SHARED | cached | {"XLA_FLAGS": given}

    images = [part for part in parts if part in CONVOLUTIONS]
    others = [part for part in parts if part not in CONVOLUTIONS]
    turns: list[Turn] = [(ours, others, with_flags()), (ours, images, with_flags(flags))]
    if find_spec("torch") is not None:
        turns.append((theirs, parts, SHARED))
    sinusoids = [part for part in parts if part == "sinusoids"]
    turns.append((in_buffers, sinusoids, with_flags(IN_BUFFERS)))
    turns.append((other_forms, images, with_flags(flags)))
    return [turn for turn in turns if turn[1]]


def compiled(
    turns: list[Turn],
    setting: dict[str, Any],
    ready: float,
    kept: Kept,
    tiny: bool = False,
) -> list[str]:
    """Compiles all programs side by side. Returns the names of those that were not ready."""
    of = {ours: _ours, other_forms: _other_forms, in_buffers: _in_buffers}
    groups: dict[tuple[Any, str, str], tuple[dict[str, str], list[str]]] = {}
    for worker, parts, environment in (turn for turn in turns if turn[0] in of):
        for work in (work for work in of[worker](tiny) if work.section in parts):
            group = worker, work.section, "" if work.section in SMALL else work.setting
            groups.setdefault(group, (environment, []))[1].append(work.title)

    def compile_one(group: tuple[Any, str, str]) -> float:
        worker, part, one = group
        asked = setting | {"parts": [part], "seconds": 0.0, "setting": one, "tiny": tiny}
        return in_own_process(worker, groups[group][0], ready, **asked)["seconds"]

    missing: list[str] = []
    with ThreadPoolExecutor(len(groups) or 1) as pool:
        futures = {group: pool.submit(compile_one, group) for group in groups}
        for group, future in futures.items():
            _, titles = groups[group]
            try:
                kept.add("seconds to compile", titles[0], seconds=future.result())
            except RuntimeError as error:
                missing += titles
                for title in titles:
                    kept.add("failed", title, reason=str(error)[-500:])
    return missing


if __name__ == "__main__":
    run(
        OnGPU(Path("docs/results/benchmarks-gpu")),
        (ours, theirs, other_forms, in_buffers),
        measure,
        page,
    )
