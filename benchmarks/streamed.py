"""Measures training on a folder of images that stay on the disk against the same from memory.

Usage: python benchmarks/run.py streamed

Images of noise are written once, as PNG, into a folder that is deleted afterwards. Both sides take
turns, each in a process of its own, and the best of all rounds counts for each.
"""

import dataclasses
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import Benchmark, in_own_process, run, table

SIDE, CLASSES = 28, 500
MIB = 2**20
NETWORKS = {"hidden layer of 64": 64, "hidden layer of 1 024": 1024}


@dataclass(frozen=True)
class Streaming(Benchmark):
    """Measures everything and writes the page."""

    images: int = 200_000
    """images in the folder"""
    root: Path | None = None
    """where images are written, and stay for another run; default: a folder that is deleted"""


# Workers


def written(folder: str, images: int) -> dict[str, float]:
    """Seconds to write the images, one folder a class."""
    import numpy as np
    from PIL import Image

    began, random = time.perf_counter(), np.random.default_rng(0)
    for number in range(CLASSES):
        path = Path(folder) / f"class-{number:03d}"
        path.mkdir()
        for i in range(images // CLASSES):
            x = random.integers(0, 256, (SIDE, SIDE), np.uint8)
            Image.fromarray(x).save(path / f"{i:04d}.png", compress_level=0)
    return {"seconds": time.perf_counter() - began}


def trained(folder: str, on_disk: bool, seconds: float) -> dict[str, Any]:
    """Steps a second of training on episodes, by network; and what the process takes."""
    import jax.random as jr
    import numpy as np
    import optax

    import learnset as ls

    began = time.perf_counter()
    images = ls.from_folder(folder, size=SIDE, channels=1, memory_bytes=0)
    opened = time.perf_counter() - began
    if not on_disk:
        images = dataclasses.replace(images, x=np.asarray(images.x))
    parts = images.split((0.8, 0.1, 0.1))
    tasks = ls.Episodes(*parts, ways=5, shots=5, queries=5, device_bytes=2**40)
    key, adam, rates, losses = jr.key(0), optax.adam(1e-3), {}, {}
    for name, width in NETWORKS.items():
        net = ls.MLP(SIDE**2, 5, width=width, depth=1, key=key)
        model = ls.models.Headed(ls.models.Raw(), net)

        def train(steps: int, model: Any = model) -> Any:
            options = {"steps": steps, "tasks_per_step": 4, "log_every": 20, "progress": False}
            method = ls.Pooled(ls.cross_entropy)
            return ls.train(method, model, tasks, adam, key=key, **options)

        steps = max(20, int(100 / train(100).seconds * seconds))
        if on_disk:
            file = os.open(images.x.path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # nothing of it is in memory
            os.close(file)
        result = train(steps)
        rates[name], losses[name] = steps / result.seconds, result.metrics["loss"][:5].tolist()
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {"rates": rates, "losses": losses, "opened": opened, "process": largest}


# The whole


def measure(benchmark: Streaming) -> dict[str, Any]:
    """All measurements, as plain numbers."""
    result: dict[str, Any] = {"images": benchmark.images, "rates": {"disk": {}, "memory": {}}}
    with tempfile.TemporaryDirectory() as deleted:
        folder = (benchmark.root or Path(deleted)) / "images"
        cache = {"XDG_CACHE_HOME": f"{deleted}/cache"}
        if not folder.exists():
            folder.mkdir(parents=True)
            print(in_own_process(written, folder=str(folder), images=benchmark.images), flush=True)
        assert sum(1 for _ in folder.glob("*/*.png")) == benchmark.images
        for turn in range(benchmark.rounds):
            for side in ("disk", "memory"):
                of = in_own_process(
                    trained, cache, folder=str(folder), on_disk=side == "disk", seconds=5
                )
                print(side, of, flush=True)
                known = result["rates"][side]
                for name, rate in of["rates"].items():
                    known[name] = max(known.get(name, 0.0), rate)
                result.setdefault("losses", of["losses"])
                assert of["losses"] == result["losses"]
                result.setdefault("process", {})[side] = of["process"]
                if (turn, side) == (0, "disk"):
                    result["packed"] = of["opened"]
                result["opened"] = of["opened"]
    return result


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """The speed from the disk as a part of that from memory, by network."""
    disk, memory = (result["rates"][side] for side in ("disk", "memory"))
    return {name: disk[name] / memory[name] for name in disk}


def page(result: dict[str, Any]) -> str:
    """The page, all of its numbers from `result`."""
    rates, shares, process = result["rates"], ratios(result), result["process"]
    rows = [
        [name, *(f"{rates[side][name]:,.1f}" for side in ("memory", "disk")), f"{share:.2f}"]
        for name, share in shares.items()
    ]
    size = result["images"] * SIDE**2 / MIB
    return f"""# Images that stay on the disk

Made by `python benchmarks/run.py streamed`. {result["images"]:,} images of {SIDE}×{SIDE} grey
pixels in {CLASSES} folders, as PNG. A network with one hidden layer on the pixels learns 5-way
tasks of 10 images of each class, 4 tasks (200 images) a step, with Adam: steps a second from
memory, and from the disk, where nothing of the file is in the memory of the system when it begins.
The losses of both are equal, bit for bit.

{table(["network", "from memory", "from the disk", "disk / memory"], rows)}

Images are decoded once, into one file that is kept by their contents: {result["packed"]:,.0f} s. To
find that file again takes {result["opened"]:,.0f} s, because all images are read for it, and not
decoded. While the device computes, a thread draws the tasks of the next steps, at most 32, and
reads their images.

The images take {size:,.0f} MiB. The process takes {process["memory"]:,.0f} MiB at most with them in
memory, and {process["disk"]:,.0f} MiB with them on the disk.
"""


if __name__ == "__main__":
    run(
        Streaming(Path("docs/results/benchmarks-streamed")),
        (written, trained),
        measure,
        page,
        ratios,
    )
