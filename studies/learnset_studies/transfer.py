"""Transfer with few labels and with many, and what is forgotten: handwritten digits, and the same
digits turned.

The source is digits as they were written, the target is other images of them, turned. After the
transfer the source's own held-out images are scored again.
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import Setting
from learnset.core import (
    AbstractAdapter,
    Batch,
    cross_entropy,
    head,
    interval,
    traced,
)
from learnset.data import digits
from learnset.models import MLP
from learnset.transfer import (
    AsIs,
    bitfit,
    Distil,
    FineTune,
    Gradual,
    L2SP,
    LayerwiseRates,
    LoRA,
    LPFT,
    WiSE,
)

from ._images import adapted, at_best, batches, divisions, generator, right, scored
from ._study import StepsAndSeeds
from ._transfer_page import draw, page

CLASSES = 10
TURN = 40.0  # degrees
SOURCE, KEPT, LABELS, VALIDATION = 80, 20, 40, 10  # images of a class; the rest is for testing
SHOTS = (1, 5, 20, LABELS)
LRS = (0.001, 0.003, 0.01)  # of Adam
STRENGTHS = (0.3, 3.0, 30.0)


@dataclasses.dataclass(frozen=True)
class TransferStudy(StepsAndSeeds):
    """The study's sizes.

    **Arguments:** `steps`: of Adam, on the source and on the target. `seeds`: of the network and of
    the division into images of the source and of the target.
    """

    steps: int = 300
    seeds: int = 8

    name: ClassVar[str] = "transfer"
    draw = staticmethod(draw)
    page = staticmethod(page)

    def quick(self) -> "TransferStudy":
        """A few steps, and two seeds."""
        return TransferStudy(30, 2)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains on the source, adapts to the target by each recipe, and scores both.

        **Returns:** a row for each recipe and number of labels.
        """
        del folder, options
        divided, model_key = divide(key, self.seeds), jr.fold_in(key, 1)
        start = eqx.filter_vmap(lambda key: MLP(64, CLASSES, width=64, key=key))(
            jr.split(model_key, self.seeds)
        )
        learn = FineTune(cross_entropy, 0.003, self.steps, optimiser=optax.adam)
        source = adapted(learn, start, divided["source"])
        rows = []
        for name, (setting, adapters) in recipes(self.steps).items():
            base = start if setting is Setting.SCRATCH else source
            for shots in SHOTS:
                rows.append(
                    {"setting": setting.value, "recipe": name, "shots": shots}
                    | chosen(adapters, base, divided, shots)
                )
        before = np.asarray(right(source, divided["kept"]))
        return {"rows": rows, "source": dict(zip(("value", "ci95"), interval(before), strict=True))}


def recipes(steps: int) -> dict[str, tuple[Setting, tuple[AbstractAdapter, ...]]]:
    """The ways to the target, each with the settings from which validation images choose."""

    def tuned(**options: Any) -> tuple[FineTune, ...]:
        return tuple(
            FineTune(cross_entropy, lr, steps, optimiser=optax.adam, **options) for lr in LRS
        )

    whole, probes = tuned(), tuned(where=head)
    lora = tuple(LoRA(cross_entropy, lr, steps, optimiser=optax.adam, rank=4) for lr in LRS)
    pulled = tuple(tuned(penalty=L2SP(strength))[1] for strength in STRENGTHS)
    distilled = tuple(tuned(penalty=Distil(strength, temperature=2.0))[1] for strength in STRENGTHS)
    transfer = Setting.TRANSFER
    return {
        "scratch": (Setting.SCRATCH, whole),
        "as it is": (transfer, (AsIs(),)),
        "head only": (transfer, probes),
        "fine-tuning": (transfer, whole),
        "LP-FT": (transfer, tuple(LPFT(probes[2], descent) for descent in whole)),
        "layer-wise rates": (transfer, tuned(pace=LayerwiseRates(0.5))),
        "gradual unfreezing": (transfer, tuned(pace=Gradual())),
        "BitFit": (transfer, tuned(where=bitfit)),
        "LoRA": (transfer, lora),
        "L2-SP": (transfer, pulled),
        "distillation": (transfer, distilled),
        "WiSE": (transfer, tuple(WiSE(descent, 0.5) for descent in whole)),
    }


def divide(key: Key[Array, ""], seeds: int) -> dict[str, Batch]:
    """The images of each part, "seeds points": those of the source as they are, all others turned.
    No image is in two parts of a seed; each class has as many images as the smallest."""
    images = digits()
    x = np.stack(
        [(np.asarray(images.x) / 255).reshape(-1, 64), turned(np.asarray(images.x)[..., 0] / 255)]
    )
    counts = (SOURCE, KEPT, LABELS, VALIDATION)
    numbers = divisions(images, counts, seeds, generator(key))
    names = ("source", "kept", "labels", "validation", "test")
    return {
        name: batches(x[int(name not in ("source", "kept"))], part)
        for name, part in zip(names, numbers, strict=True)
    }


def turned(images: Float[np.ndarray, "images 8 8"]) -> Float[np.ndarray, "images 64"]:
    """Images turned about their centre."""
    from scipy.ndimage import rotate

    found = rotate(images, TURN, axes=(1, 2), reshape=False, order=1)
    return found.reshape(-1, 64)


def chosen(
    adapters: tuple[AbstractAdapter, ...], models: Any, divided: dict[str, Batch], shots: int
) -> dict[str, Any]:
    """The scores of the settings that are best on the validation images of the target, for each
    seed."""
    support = divided["labels"].first(shots * CLASSES)
    results = [adapted(traced(adapter), models, support) for adapter in adapters]
    scores = scored(results, divided, ("validation", "test", "kept"))
    best = scores["validation"].argmax(axis=0)
    row: dict[str, Any] = {"chosen": best.tolist()}
    row["validation"] = float(scores["validation"].max(axis=0).mean())
    for part, name in (("test", "on_target"), ("kept", "on_source")):
        mean, half = interval(at_best(scores[part], best)[:, None])
        row |= {name: mean, f"{name}_ci95": half}
    return row
