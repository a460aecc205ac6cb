"""Page of the study of the water maze."""

from typing import Any

import numpy as np

from learnset.report import Bullets, Grid, Page, Paragraph, Picture, Section

from ._pages import by_learner, by_seed, cell, Row, select, times
from ._water_maze_lives import POOL
from ._water_maze_weights import INNER_LR, maml_steps, PLACES, STEPS, SWIMS


def page(result: dict[str, Any]) -> Page:
    """The page: a new place every day, from one trial and from many; one place; rats."""
    sizes, rows = result["sizes"], result["rows"]
    days = select(rows, part="matching to place")
    return Page(
        "Rapid place learning in the water maze",
        (
            Section("", (_sizes(result),)),
            Section(
                "A new place every day",
                (
                    _answer(days, sizes),
                    _table(days, "trial"),
                    Paragraph(
                        "± is the 95 % interval over seeds and days (over days where there is one"
                        " seed: agents without training)."
                    ),
                ),
                brief=True,
            ),
            Section(
                "",
                (
                    Picture(
                        "swims",
                        "The first held-out day on which the agent of the first seed found the"
                        " platform in the first trial.",
                    ),
                    Paragraph("[The same day as an animation](swim.gif)."),
                    Picture("latency", "Latency by trial, and trial 2 in per cent of trial 1."),
                    _learners(result),
                    _savings(days),
                ),
            ),
            Section("From many swims", _many_swims(result)),
            Section("Search preference", _preference(select(rows, part="probe"))),
            Section(
                "One place for many days",
                (
                    _table(
                        select(rows, part="reference memory"),
                        "trial",
                        (1, 4, 8, 12, 28, 29, 32, 36),
                    ),
                    Paragraph("The platform moves after trial 28."),
                ),
            ),
            Section("Compared with rats", _rats(result["real"])),
        ),
    )


def _sizes(result: dict[str, Any]) -> Paragraph:
    sizes = result["sizes"]
    trained = (
        f"Training took {times(result['training'])}, all seeds together and without compilation."
        if result["training"]
        else "RL² comes with the package, and swims these days anew, with its memory and without"
        " it; all others, and RL² in training and at one place for days, are of its kept run (200"
        " days)."
    )
    return Paragraph(
        f"{sizes['steps']:,} training steps of {sizes['tasks_per_step']} days, {sizes['seeds']}"
        f" seeds, {sizes['days']} held-out days with platforms in sectors of the pool that training"
        f" never used. {trained} Pool radius {POOL.radius:g} m, platform radius"
        f" {100 * POOL.platform_radius:.0f} cm, {POOL.speed} m/s, {POOL.time_limit:.0f} s a trial,"
        f" a decision every {POOL.interval} s; the platform is looked for along the whole path. All"
        " numbers are in [result.json](result.json)."
    )


def _table(rows: list[Row], across: str, shown: tuple[int, ...] | None = None) -> Grid:
    """Latencies by learner."""
    rows = [r for r in rows if shown is None or r[across] in shown]
    heads = [f"{across} {value}" for value in dict.fromkeys(r[across] for r in rows)]
    return by_learner(rows, across, heads, title="seconds to the platform")


def _answer(days: list[Row], sizes: dict[str, Any]) -> Paragraph:
    first, *later = (np.array(r["by_seed"]) for r in select(days, recipe="RL²"))
    second, last = later[0] / first, later[-1] / first
    fast = int(((second <= 0.6) & (last <= 0.5)).sum())
    each = ", ".join(f"{100 * a:.0f} / {100 * b:.0f} %" for a, b in zip(second, last, strict=True))
    return Paragraph(
        f"**In {fast} of {sizes['seeds']} seeds RL² needs at most 60 % of the time of trial 1 in"
        f" trial 2, and at most 50 % in trial 4** (trial 2 / trial 4 by seed: {each})."
    )


def _learners(result: dict[str, Any]) -> Bullets:
    sizes = result["sizes"]
    return Bullets(
        (
            "*RL²* is a recurrent network trained over days by A2C; on a test day its weights do"
            " not change. In training it also predicts, from its memory, where the platform is, and"
            f" platforms of training days have radii from {100 * POOL.platform_radius:.0f} to 20"
            " cm. Without its memory it cannot use earlier trials.",
            "*Policies* are networks without memory, which learn the place of the day by one step"
            " along the policy gradient after each trial. They start as new, as pretrained on all"
            " places pooled (A2C, which yields the average of all days), or as MAML has trained the"
            f" pretrained ones for {maml_steps(sizes['steps'])} more steps of {PLACES} places, with"
            f" {SWIMS} swims before one step of adaptation (of size {INNER_LR:g}) and as many after"
            " it. Step sizes were chosen on validation days.",
            "*Actor-critics* on place cells are those of Foster, Morris & Dayan 2000: new on each"
            " day, or with what they learnt on eight other days. With coordinates, also theirs,"
            " one-trial learning develops within days.",
            "*The averaged policy* is one policy for all days, the pretrained one as it is: it does"
            " not know the place of the day. The bound is a policy that observes the platform.",
        )
    )


def _savings(days: list[Row]) -> Grid:
    lines = []
    for name in dict.fromkeys(r["recipe"] for r in days if r["setting"] != "bound"):
        first, second = (np.array(select(days, recipe=name, trial=t)[0]["by_seed"]) for t in (1, 2))
        lines.append((name, ", ".join(f"{100 * ratio:.0f}" for ratio in second / first)))
    return Grid(("learner", "trial 2 in % of trial 1, by seed"), tuple(lines))


def _many_swims(result: dict[str, Any]) -> tuple[Paragraph | Grid | Picture, ...]:
    rows = select(result["rows"], part="many swims")
    step_sizes = "; ".join(
        f"{name} {by_seed(one)} and {by_seed(many)}"
        for name, (one, many) in result["step_sizes"].items()
    )
    maml, pretrained = (
        select(rows, recipe=name, step=1)[0]["by_seed"]
        for name in ("MAML policy", "pretrained policy")
    )
    faster = sum(ours < theirs for ours, theirs in zip(maml, pretrained, strict=True))
    return (
        Paragraph(
            "One trial gives little to estimate a gradient from. Here the same policies swim"
            f" {SWIMS} times to a new place, from all starts, before each of {STEPS} steps."
        ),
        _table(rows, "step"),
        Paragraph(
            f"Step sizes for one swim and for {SWIMS}, chosen on validation days:"
            f" {step_sizes}."
            f" After one step of {SWIMS} swims, MAML is faster than the pretrained policies that it"
            f" started from in {faster} of {len(maml)} seeds."
        ),
        Picture(
            "learning",
            "Latency of RL² in the course of training, of policies after steps from many swims, and"
            " with one place for days.",
        ),
    )


def _preference(rows: list[Row]) -> tuple[Paragraph | Grid | Picture, ...]:
    lines = tuple(
        (r["recipe"], cell(r), ", ".join(f"{seed:.1f}" for seed in r["by_seed"])) for r in rows
    )
    return (
        Paragraph(
            "The share of time in the right one of eight zones in the first minute of a probe"
            " trial, which has no platform, after one trial at one of eight places. Chance is"
            f" {rows[0]['chance']} %."
        ),
        Grid(("learner", "search preference (%)", "by seed"), lines),
        Picture(
            "search",
            "Places visited in a probe trial, by the place of the platform in the trial before.",
        ),
    )


def _rats(real: dict[str, dict[str, Any]]) -> tuple[Paragraph | Bullets | Picture, ...]:
    if not real:
        return (Paragraph("The data of rats were not available (`LEARNSET_DATA`)."),)
    return (
        Picture("animals", "Latency of rats and of agents by trial."),
        Bullets(tuple(f"*{name}*: {curves['fit']}" for name, curves in real.items())),
        Paragraph(
            "The rats that relearned were taken out after 60 s at the latest, from a pool of 1.8 m,"
            " and those of the fixed platform after 90 s, from a pool of 2 m; our agents have 120 s"
            " in a pool of 2 m. A swim without success counts as its limit, so that only the shapes"
            " of the curves can be compared, not latencies."
        ),
    )
