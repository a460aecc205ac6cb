"""Figures and page of the study of learning sets."""

from pathlib import Path
from typing import Any

import numpy as np

from learnset.comparison import Setting
from learnset.core import COLOURS, FAINT, new_figure, write_figure
from learnset.report import Bullets, look, Page, Paragraph, Picture, Section

from . import _harlow_pictures_page
from ._harlow_curves import draw_learners, draw_seeds
from ._pages import by_learner, Row, select


def draw(result: dict[str, Any], folder: Path) -> None:
    """`learning-set`: by training step, by learner, and by seed; `pictures`: agents that see
    objects; `people`: people and agents."""
    _draw_learning_set(result["rows"], folder)
    _harlow_pictures_page.draw(result, folder)
    if result["people"] is not None:
        _draw_people(result["people"], folder)


def _draw_learning_set(rows: list[Row], folder: Path) -> None:
    figure, axes = new_figure(1, 3, width=13, height=4.4)
    by_stage, by_name, by_seed = axes[0]
    _draw_stages(by_stage, select(rows, part="stages"))
    draw_learners(by_name, select(rows, part="trials"), columns=2)
    _draw_seeds(by_seed, select(rows, part="stages"))
    for axis in axes[0]:
        axis.set_ylim(35, 103)
        axis.title.set_fontsize(11)
    for axis in (by_stage, by_name):
        axis.set(xlabel="trial of a problem", xticks=sorted({r["trial"] for r in rows}))
    by_stage.set_ylabel("% correct")
    write_figure(figure, folder, "learning-set")


def _draw_stages(axis: Any, rows: list[Row]) -> None:
    """A curve over trials for each stage of training."""
    from matplotlib import colormaps

    axis.set_title("RL² in the course of training")
    if not rows:
        axis.text(0.5, 0.5, "trained before", transform=axis.transAxes, ha="center", color=FAINT)
        return
    stages = sorted({r["steps"] for r in rows})
    for stage, colour in zip(
        stages, colormaps["viridis"](np.linspace(0.0, 0.92, len(stages))), strict=True
    ):
        curve = select(rows, steps=stage)
        trials, values = [r["trial"] for r in curve], [r["value"] for r in curve]
        axis.plot(trials, values, marker="o", markersize=4, color=colour, label=f"{stage:,}")
    axis.legend(
        title="training steps",
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        ncols=2,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.32),
    )


def _draw_seeds(axis: Any, rows: list[Row]) -> None:
    """Trials 1 and 2 in the course of training, a line for each seed."""
    axis.set(xlabel="training steps", title="held-out problems, by seed")
    for trial, colour in ((2, look(Setting.META).colour), (1, FAINT)):
        draw_seeds(axis, select(rows, trial=trial), f"trial {trial}", colour)
    if rows:
        axis.legend(frameon=False, fontsize=8, loc="center right")


def _draw_people(people: dict[str, Any], folder: Path) -> None:
    figure, axes = new_figure(1, 1, width=5.5, height=4)
    axis, trials = axes[0][0], np.arange(1, len(people["agents"]) + 1)
    for values, marker, colour, label in (
        (people["percent_correct"], "o-", COLOURS[1], "people, two pictures, three keys"),
        (people["agents"], "s-", look(Setting.META).colour, "RL², two objects"),
    ):
        axis.plot(trials, values, marker, color=colour, label=label)
    axis.set(xlabel="trial (people: presentation of the same picture)", ylabel="% correct")
    axis.set(xticks=trials, ylim=(25, 103))
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    write_figure(figure, folder, "people")


def page(result: dict[str, Any]) -> Page:
    """The page: the table by trial, its meaning, and people next to agents."""
    sizes, rows = result["sizes"], result["rows"]
    trials = select(rows, part="trials")
    reversal = [
        r | {"recipe": f"{r['recipe']} + {r['part']}"}
        for r in rows
        if r["part"].startswith("reversal")
    ]
    heads = [f"trial {trial}" for trial in dict.fromkeys(r["trial"] for r in trials)]
    table = by_learner(trials + reversal, "trial", heads, title="% correct on new problems")
    table = table._replace(brief=(0, 1, 2, 3, len(heads) + 1))
    return Page(
        "Learning sets: learning to learn which object has the food",
        (
            Section("", (Paragraph(TASK), _training(result))),
            Section(
                "",
                (
                    Paragraph(
                        f"**{result['seeds_at_97']} of {sizes['seeds']} seeds reach 97 % on trials"
                        " 2 to 6.**"
                    ),
                    table,
                    Paragraph("± is the 95 % interval over seeds and problems."),
                ),
                brief=True,
            ),
            Section(
                "",
                (
                    Picture(
                        "learning-set",
                        "Percentage correct by trial on held-out problems: in the course of"
                        " training, for all learners, and for each seed.",
                    ),
                ),
            ),
            Section("The learners", (_learners(sizes), Paragraph(DIFFERENCES))),
            _harlow_pictures_page.section(result),
            Section("Compared with people", _people(result["people"])),
        ),
    )


TASK = """\
A problem shows two new objects, which change sides from trial to trial; one of them is always
rewarded. The first trial is a guess. Over many problems, Harlow's monkeys learnt to choose the
right one from the second trial on: they learnt to learn (Harlow 1949)."""


def _training(result: dict[str, Any]) -> Paragraph:
    sizes, seconds = result["sizes"], result["training"]
    trained = (
        f"Training took {seconds['train_seconds']:.0f} s for {sizes['seeds']} seeds together, and"
        f" {seconds['compile_seconds']:.0f} s to compile."
        if seconds
        else "The agents come with the package; rivals without past tasks are of its kept run."
    )
    return Paragraph(
        f"{sizes['steps']:,} training steps of {sizes['tasks_per_step']} problems,"
        f" {sizes['seeds']} seeds, {sizes['problems']:,} held-out problems with objects that no"
        f" training problem had. {trained} All numbers are in [result.json](result.json)."
    )


def _learners(sizes: dict[str, Any]) -> Bullets:
    return Bullets(
        (
            "*RL²* is a recurrent network trained over problems; its weights do not change within a"
            " problem. Win-stay, lose-shift on the object is the optimal rule: 50 % on trial 1, and"
            " 100 % from then on.",
            "*REINFORCE* learns by its weights, with one step of policy gradient after each trial:"
            " from a new network, or from one that has gone through"
            f" {sizes['earlier_problems']:,} earlier problems. Step sizes were chosen on validation"
            " problems.",
            "*Ablations* are made after training. Without memory across trials, or without the"
            " reward input, the second trial cannot use the first.",
            "*Reversal*: from trial 4 on the other object is rewarded; the agents were not trained"
            " for it.",
        )
    )


DIFFERENCES = """\
Training problems draw sides independently, tests balance them as Harlow did: with balanced sides
agents learnt to count sides, which gives the last trials away without a look at the objects. In
training, the critic receives the location of the food; memory and actor do not. Wang et al. 2016
report that 26 % (one LSTM) to 43 % (two) of their seeds reached ceiling. Their agents had to find
objects in images and look at them first; ours receive feature vectors and choose, which is an
easier task. What pictures add is tested below; having to look is not."""


def _people(people: dict[str, Any] | None) -> tuple[Paragraph | Picture, ...]:
    if people is None:
        return (Paragraph("The data of people were not available (`LEARNSET_DATA`)."),)
    return (
        Picture("people", "Percentage correct of people and of RL²."),
        Paragraph(
            "People learn which of three keys goes with each of two new pictures (Collins & Frank"
            " 2012, experiment 1), RL² learns Harlow's problems. By least squares:"
            f" {people['fit']} Chance is a third for people and a half for agents, and people learn"
            " two pictures at a time: the comparison is about the shape of one-trial learning, not"
            " about the task."
        ),
    )
