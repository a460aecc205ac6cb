"""Figure and section about Harlow's problems with pictures."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import COLOURS, FAINT, new_figure, write_figure
from learnset.data import glyphs
from learnset.report import Paragraph, Picture, Section

from ._harlow_curves import draw_learners, draw_seeds
from ._harlow_pictures import CENTRED, RAW, SIDE
from ._pages import by_learner, Row, select

WANG = (0.26, 0.43)  # of the seeds of Wang et al. 2016 reached ceiling: one LSTM, two


def draw(result: dict[str, Any], folder: Path) -> None:
    """`pictures`: some of them, learners by trial, and seeds in the course of training."""
    figure, axes = new_figure(1, 3, width=13, height=4.4, width_ratios=(1, 2, 2))
    some, by_trial, by_seed = axes[0]
    _draw_pictures(some, result["pictures"]["examples"])
    draw_learners(by_trial, compared(result["rows"]), columns=1)
    _draw_seeds(by_seed, result["rows"])
    for axis in (by_trial, by_seed):
        axis.set_ylim(35, 103)
    by_trial.set_ylabel("% correct")
    for axis in axes[0]:
        axis.title.set_fontsize(11)
    write_figure(figure, folder, "pictures")


def compared(rows: list[Row]) -> list[Row]:
    """The rows of agents that see vectors and of those that see pictures."""
    vectors = select(rows, part="trials", recipe="RL²")
    named = [row | {"recipe": "RL² on vectors"} for row in vectors]
    return named + select(rows, part="pictures")


def _draw_pictures(axis: Any, pictures: list[list[str]]) -> None:
    """Two columns of pictures of the test bank."""
    framed = [_framed(picture) for picture in pictures]
    pairs = [np.hstack(pair) for pair in zip(framed[::2], framed[1::2], strict=True)]
    axis.imshow(np.vstack(pairs), cmap="gray_r", vmin=0, vmax=255)
    axis.set(xticks=[], yticks=[], title="objects of tests")
    axis.grid(False)
    axis.spines[:].set_visible(False)


def _framed(picture: list[str]) -> np.ndarray:
    pixels = np.frombuffer(bytes.fromhex("".join(picture)), np.uint8).reshape(SIDE, SIDE)
    return np.pad(np.pad(pixels, 1, constant_values=90), 1)


def _draw_seeds(axis: Any, rows: list[Row]) -> None:
    """Trial 2 in the course of training, a line for each seed."""
    for name, colour in ((CENTRED, COLOURS[0]), (RAW, COLOURS[1])):
        draw_seeds(axis, select(rows, part=f"stages with {name}", trial=2), name, colour)
    axis.axhline(50, color=FAINT, linewidth=1)
    axis.set(xlabel="training steps", title="trial 2 of held-out problems, by seed")
    axis.legend(frameon=False, fontsize=8, loc="center right")


def section(result: dict[str, Any]) -> Section:
    """What came out with pictures."""
    shown = compared(result["rows"])
    heads = [f"trial {trial}" for trial in dict.fromkeys(row["trial"] for row in shown)]
    return Section(
        "Pictures for objects",
        (
            Paragraph(_task(result["sizes"], result["pictures"])),
            Paragraph(_found(result)),
            by_learner(shown, "trial", heads, title="% correct on new problems, with pictures"),
            Picture(
                "pictures",
                "Some pictures that are objects of test problems; percentage correct by trial; and"
                " trial 2 of each seed in the course of training.",
            ),
        ),
    )


def _task(sizes: dict[str, Any], about: dict[str, Any]) -> str:
    train, _, test = about["numbers"]
    *scripts, last = glyphs.TEST
    seconds = sum(about[name]["training"]["train_seconds"] for name in (CENTRED, RAW))
    return (
        f"Here an object is a character in one font, of {SIDE} by {SIDE} pixels. There are"
        f" {train:,} pictures to train on, mostly Latin letters and signs, and {test:,} to test on,"
        f" of other scripts: {', '.join(scripts)} and {last}. A network of two layers, the same for"
        " both objects, makes 16 features of each picture for the recurrent network, and both are"
        " trained together by the same rewards. Steps and step sizes are those of above. *Raw*"
        " pictures have ink 1 on 0; *centred* ones are less the mean picture of training, in units"
        " of the standard deviation there."
        f" Training took {seconds:.0f} s for {sizes['seeds']} seeds with both."
    )


def _found(result: dict[str, Any]) -> str:
    seeds, rows = result["sizes"]["seeds"], result["rows"]
    centred, raw = (result["pictures"][name]["seeds_at_97"] for name in (CENTRED, RAW))
    least, most = (f"{100 * share:.0f} %" for share in WANG)
    return (
        f"**{centred} of {seeds} seeds reach 97 % on trials 2 to 6 with centred pictures, and"
        f" {raw} of {seeds} with raw ones.** The mean of each seed there:"
        f" {_by_seed(rows, CENTRED)} with centred pictures, and {_by_seed(rows, RAW)} with raw"
        " ones. Centring was chosen on validation problems. Of the seeds of Wang et al.,"
        f" {least} to {most} reached ceiling. With a share of {most}, {raw} or more of {seeds}"
        f" have a probability of {100 * _tail(raw, seeds, WANG[1]):.0f} %."
    )


def _tail(number: int, seeds: int, share: float) -> float:
    """The probability that at least `number` seeds succeed where each does with this probability.

    >>> round(_tail(2, 2, 0.5), 3), round(_tail(1, 2, 0.5), 3), _tail(0, 2, 0.5)
    (0.25, 0.75, 1.0)
    """
    from scipy.stats import binom

    return float(binom.sf(number - 1, seeds, share))


def _by_seed(rows: list[Row], name: str) -> str:
    """Each seed's mean over the trials after the first."""
    later = [row for row in select(rows, recipe=f"RL² on {name}") if row["trial"] > 1]
    means = np.mean([row["by_seed"] for row in later], axis=0)
    return ", ".join(f"{mean:.1f}" for mean in means) + " %"
