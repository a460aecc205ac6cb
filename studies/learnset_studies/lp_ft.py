"""Fine-tuning distorts features: two layers without activations, and inputs from a subspace.

Source: Kumar, Raghunathan, Jones, Ma & Liang 2022, *Fine-Tuning can Distort Pretrained Features and
Underperform Out-of-Distribution*, §3 (theorem 3.5, proposition 3.6). The theorem is about gradient
flow; here are small steps of gradient descent.
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from learnset.core import (
    AbstractAdapter,
    Batch,
    COLOURS,
    DivergedError,
    head,
    interval,
    mse,
    new_figure,
    write_figure,
)
from learnset.report import Bullets, Grid, Page, Paragraph, Picture, Section
from learnset.transfer import FineTune, LPFT

from ._study import StepsAndSeeds

INPUTS, SEEN, FEATURES, POINTS = 24, 12, 3, 48  # inputs vary in SEEN directions only
ERRORS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # of the pretrained features
LR = 0.01
SMALL = 1e-6  # an error that is none
LEAST, LEAST_SIZE = 1e-8, 3e-3  # that are shown; smaller ones stand there
NAMES = ("linear probing", "fine-tuning", "LP-FT")
STYLES = ("o-", "o-", "s--")  # where two lines are one, both are seen
SOURCE = (
    "Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features and Underperform"
    " Out-of-Distribution, §3"
)


class TwoLayer(eqx.Module):
    """A linear network of two layers: `head · body x`."""

    body: Float[Array, "features inputs"]
    head: Float[Array, "features"]

    def __call__(self, x: Float[Array, "inputs"]) -> Float[Array, "1"]:
        return (self.head @ self.body @ x)[None]


@dataclasses.dataclass(frozen=True)
class LPFTStudy(StepsAndSeeds):
    """The study's sizes.

    **Arguments:** `steps`: of gradient descent, of each probing and fine-tuning. `seeds`: of data,
    features and heads.
    """

    steps: int = 20_000
    seeds: int = 40

    name: ClassVar[str] = "lp-ft"

    def quick(self) -> "LPFTStudy":
        """A few steps, which end nowhere yet."""
        return LPFTStudy(200, 4)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Learns by the three adapters from features of each quality.

        **Returns:** a row for each quality and adapter.
        """
        del folder, options
        probe = FineTune(mse, LR, self.steps, where=head)
        descent = FineTune(mse, LR, self.steps)
        adapters = dict(zip(NAMES, (probe, descent, LPFT(probe, descent)), strict=True))
        keys = jr.split(key, self.seeds)

        @eqx.filter_jit
        def errors(adapter: AbstractAdapter) -> Float[Array, "sizes seeds 2"]:
            of_seeds = jax.vmap(lambda key, size: one(adapter, size, key), in_axes=(0, None))
            return jax.vmap(of_seeds, in_axes=(None, 0))(keys, jnp.asarray(ERRORS))

        with jax.enable_x64(True):
            found = {name: np.asarray(errors(adapter)) for name, adapter in adapters.items()}
        if not all(np.isfinite(values).all() for values in found.values()):
            raise DivergedError("lp-ft: a descent diverged. Lower `LR` of the study.")
        rows = []
        for number, size in enumerate(ERRORS):
            for name in NAMES:
                row: dict[str, Any] = {"feature_error": size, "recipe": name}
                for place, measure in enumerate(("seen", "unseen")):
                    mean, half = interval(found[name][number, :, place, None])
                    row |= {measure: mean, f"{measure}_ci95": half}
                rows.append(row)
        return {"rows": rows}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `errors`."""
        figure, axes = new_figure(1, 2, width=9, height=3.6, sharey=True)
        titles = {"seen": "inputs as in training", "unseen": "all inputs"}
        for axis, (measure, title) in zip(axes[0], titles.items(), strict=True):
            for name, colour, style in zip(NAMES, COLOURS, STYLES, strict=False):
                rows = [row for row in result["rows"] if row["recipe"] == name]
                values = np.maximum([row[measure] for row in rows], LEAST)
                sizes = np.maximum([row["feature_error"] for row in rows], LEAST_SIZE)
                axis.plot(sizes, values, style, color=colour, label=name, markersize=4)
            axis.set(xscale="log", yscale="log", xlabel="error of the features", title=title)
            axis.set_xticks([LEAST_SIZE, *ERRORS[1:]], [f"{size:g}" for size in ERRORS])
            axis.minorticks_off()
        axes[0][0].set_ylabel("squared error")
        axes[0][1].legend(frameon=False, fontsize=9)
        write_figure(figure, folder, "errors")

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        return page(result)


def one(adapter: AbstractAdapter, size: Float[Array, ""], key: Key[Array, ""]) -> Float[Array, "2"]:
    """The squared error of one adapted model on inputs as in training, and on all inputs.

    Features of error 0 are the true ones, turned by a rotation that nobody knows; `size` adds noise
    before they are made orthonormal again.
    """
    body_key, head_key, turn_key, noise_key, x_key, plane_key, start_key = jr.split(key, 7)
    true = orthonormal(jr.normal(body_key, (FEATURES, INPUTS)))
    weights = jr.normal(head_key, (FEATURES,))
    turn = orthonormal(jr.normal(turn_key, (FEATURES, FEATURES)))
    noise = jr.normal(noise_key, true.shape) / INPUTS**0.5
    body = orthonormal(turn @ true + size * noise)
    plane = orthonormal(jr.normal(plane_key, (SEEN, INPUTS)))
    x = jr.normal(x_key, (POINTS, SEEN)) @ plane
    target = weights @ true
    start = jr.normal(start_key, (FEATURES,)) * FEATURES**-0.5
    model = TwoLayer(body, start)
    adapted: Any = adapter.adapt(model, Batch(x, x @ target[:, None]))
    difference = adapted.head @ adapted.body - target
    return jnp.stack([((plane @ difference) ** 2).sum(), (difference**2).sum()])


def orthonormal(rows: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    """The nearest matrix with orthonormal rows."""
    left, _, right = jnp.linalg.svd(rows, full_matrices=False)
    return left @ right


# The page


def page(result: dict[str, Any]) -> Page:
    """The page: the theorem's statements, and what was measured."""
    rows = result["rows"]
    of = {(row["feature_error"], row["recipe"]): row for row in rows}
    head_line = ("features", "learner", "error, inputs as in training", "error, all inputs")
    lines = tuple(
        (
            f"error {row['feature_error']:g}",
            row["recipe"],
            *(_cell(row, measure) for measure in ("seen", "unseen")),
        )
        for row in rows
    )
    claims = statements(of)
    answer = f"{sum(holds for _, holds in claims)} of {len(claims)} statements of the theory hold."
    about = (
        "A linear network of two layers has learnt features of a source, which are right up to a"
        f" rotation and an error. Its target has inputs in {SEEN} of {INPUTS} directions only."
        " Linear probing fits the head to them, fine-tuning moves both layers from a random head,"
        " and LP-FT fine-tunes after probing. Fine-tuning moves the features of the directions that"
        " it sees, and leaves those of the others: they no longer fit together."
    )
    caption = (
        "Mean squared error over seeds, against the error of the pretrained features. Errors of 0"
        " are at the left border, and those below 1e-8 at the lower one."
    )
    published = (
        "The paper's ten data sets, in percentage points: fine-tuning +2 on inputs as in training"
        " and -7 on others, against linear probing; LP-FT +1 and +10 against fine-tuning. The"
        " theorem has no numbers; its signs are what is compared here."
    )
    bullets = Bullets(
        tuple(f"{'Holds' if holds else '**Does not hold**'}: {t}" for t, holds in claims)
    )
    return Page(
        "Fine-tuning distorts features, and probing first repairs it",
        (
            Section("", (Paragraph(about),)),
            Section("", (Paragraph(answer, boxed=True), bullets), brief=True),
            Section("Measured", (Picture("errors", caption), Grid(head_line, lines, left=2))),
            Section("Source", (Paragraph(f"{SOURCE}."), Paragraph(published))),
        ),
    )


def _cell(row: dict[str, Any], measure: str) -> str:
    if row[measure] < LEAST:
        return f"below {LEAST:g}"
    return f"{row[measure]:.2g} ± {row[f'{measure}_ci95']:.1g}"


def statements(of: dict[tuple[float, str], dict[str, Any]]) -> list[tuple[str, bool]]:
    """What the theory says, and whether it is so here."""
    probing, tuning, both = NAMES
    small = [size for size in ERRORS if 0 < size <= 0.1]

    def below(measure: str, less: str, more: str, sizes: Any) -> bool:
        return all(of[size, less][measure] < of[size, more][measure] for size in sizes)

    return [
        (
            "with perfect features fine-tuning has an error on inputs unlike those of training, and"
            " probing and LP-FT have none",
            of[0.0, tuning]["unseen"] > SMALL
            and all(of[0.0, name]["unseen"] < SMALL for name in (probing, both)),
        ),
        (
            "with good features fine-tuning is better than probing on inputs as in training",
            below("seen", tuning, probing, small),
        ),
        (
            "with good features fine-tuning is worse than probing on all inputs",
            below("unseen", probing, tuning, small),
        ),
        (
            "LP-FT is better than probing on inputs as in training",
            below("seen", both, probing, small),
        ),
        ("LP-FT is better than fine-tuning on all inputs", below("unseen", both, tuning, small)),
    ]
