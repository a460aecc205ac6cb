"""Measures training steps on a GPU against PyTorch, eager and in a CUDA graph; writes the page.

Usage: pip install 'jax[cuda12]' torch==2.13.0 torchjd==0.18.0 && python benchmarks/gpu.py

It takes about five minutes. `--tiny` takes small sizes and short times, so that the program can be
tried where there is no GPU: what it measures then says nothing. Each measurement has a process of
its own, by the clock, and the best of its calls counts. What is not installed is left out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import Benchmark, in_own_process, least_seconds, run, table

SINUSOIDS, IMAGES = (25, 1_000, 10_000), (16, 128)  # tasks a step
MATRICES, MAZES = ((32, 10**5), (128, 10**5)), (64, 4_096, 16_384)
BALANCERS = ("UPGrad", "MGDA", "IMTL-G", "Aligned-MTL")
PRECISIONS = {"TF32": "tensorfloat32", "float32": "highest"}
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # memory, with torch
Rates = dict[str, float]


@dataclass(frozen=True)
class OnGPU(Benchmark):
    """Measures everything and writes the page."""

    seconds: float = 2.0
    """of each measurement"""
    tiny: bool = False
    """small sizes, one process and one precision, to try the program"""


# Workers


def device() -> dict[str, str]:
    """The card, and versions."""
    import jax

    card = jax.devices()[0]
    found = {"card": getattr(card, "device_kind", str(card)), "jax": jax.__version__}
    if find_spec("torch") is not None:
        import torch

        found["torch"] = torch.__version__
    return found


def sinusoids(tasks: int, seconds: float) -> Rates:
    """Tasks a second of `learnset.train`, second-order MAML."""
    import run as page_of_sinusoids

    return {"rate": tasks * page_of_sinusoids.jax_rate(tasks, 1, seconds)["rate"]}


def images(tasks: int, form: str, seconds: float) -> Rates:
    """Tasks a second of MAML on images; `form` is that of the convolution."""
    import few_shot

    _take(form)
    return {"rate": few_shot.maml_rate(seconds, threads=2, tasks=tasks)["rate"]}


def protonet(form: str, seconds: float) -> Rates:
    """Steps a second of a prototypical network with pooling, 20 ways and 5 shots."""
    import few_shot

    _take(form)
    return {"rate": few_shot.protonet_rate(seconds, threads=2, strided=False)["rate"]}


def _take(form: str) -> None:
    """Computes every convolution in one form: `by_lax` or `by_product`."""
    from learnset.models import _convolution

    _convolution.convolve = getattr(_convolution, form)


def balancers(tasks: int, params: int, seconds: float) -> Rates:
    """Seconds of one aggregation."""
    import balancers as page_of_balancers
    import jax
    import jax.numpy as jnp
    import jax.random as jr

    rows = jnp.asarray(page_of_balancers.matrix("independent", tasks, params))

    def took(method: Any) -> float:
        program = jax.jit(lambda j, k: method.direction(j, key=k))

        def call() -> Any:
            return jax.block_until_ready(program(rows, jr.key(0)))

        return least_seconds(call, seconds / 4, time.perf_counter)

    methods = page_of_balancers._methods()
    return {name: took(methods[name]) for name in BALANCERS}


def torchjd(tasks: int, params: int, seconds: float) -> Rates:
    """The same of TorchJD."""
    import balancers as page_of_balancers
    import torch

    _torch_device()
    rows = torch.asarray(page_of_balancers.matrix("independent", tasks, params), device=_place())
    aggregators = page_of_balancers._aggregators(tasks)
    return {
        name: least_seconds(lambda a=aggregators[name]: _synchronised(lambda: a(rows)), seconds / 4)
        for name in BALANCERS
    }


def mazes(batch: int, seconds: float) -> Rates:
    """Steps a second of the water maze with training."""
    import envs

    return {"rate": envs.training_rate(batch, seconds)["rate"]}


def torch_step(kind: str, tasks: int, precise: bool, seconds: float) -> Rates:
    """Steps a second of a torch step, eager and in a CUDA graph (where there is a GPU)."""
    import torch
    import torch_few_shot
    import torch_reference

    _torch_device()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not precise
    torch.backends.cudnn.benchmark = True
    graphs = torch.cuda.is_available()
    options = {"capturable": True} if graphs else {}
    step = {
        "sinusoids": lambda: torch_reference.vmap_step(tasks, **options),
        "images": lambda: torch_few_shot.maml_step("vmap", False, tasks, **options),
        "protonet": lambda: torch_few_shot.protonet_step(False, True, **options),
    }[kind]()
    rates = {"torch": 1 / _seconds(step, seconds)}
    if graphs:
        rates["torch, CUDA graph"] = 1 / _seconds(_graphed(step), seconds)
    return rates


def _place() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _torch_device() -> None:
    import torch

    torch.set_default_device(_place())


def _synchronised(call: Callable[[], Any]) -> None:
    import torch

    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _seconds(step: Callable[[], Any], seconds: float) -> float:
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
    tiny, has_torch = benchmark.tiny, find_spec("torch") is not None
    seconds = 0.01 if tiny else benchmark.seconds

    def of(worker: Any, precision: str = "TF32", **setting: Any) -> Rates:
        environment = SHARED | {"JAX_DEFAULT_MATMUL_PRECISION": PRECISIONS[precision]}
        found = (
            worker(seconds=seconds, **setting)
            if tiny
            else in_own_process(worker, environment, seconds=seconds, **setting)
        )
        print(worker.__name__, precision, setting, found, flush=True)
        return found

    def compared(kind: str, tasks: int, precision: str, ours: dict[str, Rates]) -> dict[str, Any]:
        """Tasks a second (steps, of a prototypical network) of all forms."""
        rates = {name: found["rate"] for name, found in ours.items()}
        if has_torch:
            precise = precision == "float32"
            theirs = of(torch_step, kind=kind, tasks=tasks, precise=precise)
            rates |= {name: tasks * rate for name, rate in theirs.items()}
        return {"tasks": tasks, "precision": precision, "rates": rates}

    forms = {"learnset, lax": "by_lax", "learnset, patches": "by_product"}
    precisions = ["TF32"] if tiny else list(PRECISIONS)
    card = device() if tiny else in_own_process(device, SHARED)
    result: dict[str, Any] = {"tiny": tiny, "device": card}
    result["sinusoids"] = [
        compared("sinusoids", n, p, {"learnset": of(sinusoids, p, tasks=n)})
        for n in ((2,) if tiny else SINUSOIDS)
        for p in precisions
    ]
    result["images"] = [
        compared(
            "images", n, p, {name: of(images, p, tasks=n, form=f) for name, f in forms.items()}
        )
        for n in ((1,) if tiny else IMAGES)
        for p in precisions
    ]
    result["protonet"] = [
        compared("protonet", 1, p, {name: of(protonet, p, form=f) for name, f in forms.items()})
        for p in precisions
    ]
    has_torchjd = has_torch and find_spec("torchjd") is not None
    result["balancers"] = [
        {
            "tasks": n,
            "params": params,
            "ours": of(balancers, "float32", tasks=n, params=params),
            "theirs": of(torchjd, tasks=n, params=params) if has_torchjd else {},
        }
        for n, params in (((2, 10),) if tiny else MATRICES)
    ]
    result["mazes"] = {str(n): of(mazes, batch=n)["rate"] for n in ((2,) if tiny else MAZES)}
    return result


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    versions = ", ".join(f"{name} {value}" for name, value in result["device"].items())
    tiny = "\nTiny sizes: these numbers say nothing.\n" if result["tiny"] else ""
    return f"""# Speed on a GPU

Made by `python benchmarks/gpu.py` ({versions}). By the clock, each in a process of its own.
{tiny}
## Second-order MAML on sinusoids, tasks/s

{_rates(result["sinusoids"])}

## Second-order MAML on images of 28 by 28, tasks/s

Four strided convolutions of 64, five ways, one shot, 15 queries a class.

{_rates(result["images"])}

## Prototypical network, 20 ways, five shots, pooling, steps/s

{_rates(result["protonet"])}

## One aggregation of task gradients, ms

{_balancers(result["balancers"])}

## Water maze, A2C with a GRU, steps/s with training

{table(["mazes", "steps/s"], ([n, f"{rate:,.0f}"] for n, rate in result["mazes"].items()))}
"""


def _rates(cells: list[dict[str, Any]]) -> str:
    names = list(cells[0]["rates"])
    head = ["tasks a step", "precision", *names, "best of learnset against the best torch"]
    rows = []
    for cell in cells:
        rates = cell["rates"]
        torch = max((rate for name, rate in rates.items() if name.startswith("torch")), default=0)
        ours = max(rate for name, rate in rates.items() if name.startswith("learnset"))
        ratio = f"{ours / torch:.2f}×" if torch else ""
        written = [f"{rates[name]:,.1f}" for name in names]
        rows.append([f"{cell['tasks']:,}", cell["precision"], *written, ratio])
    return table(head, rows)


def _balancers(cells: list[dict[str, Any]]) -> str:
    rows = []
    for cell in cells:
        for name, took in cell["ours"].items():
            other = cell["theirs"].get(name)
            torch = [f"{1e3 * other:.2f}", f"{other / took:.1f}×"] if other else ["", ""]
            size = f"{cell['tasks']} × {cell['params']:,}"
            rows.append([name, size, f"{1e3 * took:.2f}", *torch])
    return table(["method", "matrix", "learnset", "TorchJD", "times as fast"], rows)


if __name__ == "__main__":
    workers = (device, sinusoids, images, protonet, balancers, torchjd, mazes, torch_step)
    run(OnGPU(Path("docs/results/benchmarks-gpu")), workers, measure, page)
