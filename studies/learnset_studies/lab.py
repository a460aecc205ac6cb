"""The lab: a page to try things in, with weights and values of the studies.

`python -m learnset_studies.lab` writes the values into the page, `python -m learnset_studies.lab
BUILT` takes a newly built page (`npm run build` in `studies/lab`). `learnset lab` opens it.
"""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from learnset.core import InputError, write_file
from learnset.envs import MatchingToPlace, SITES
from learnset.envs.water_maze import STARTS
from learnset.tasks import Sinusoids

from . import multitask_toy
from ._lab_weights import Drawings, R2D2_STEPS, read_characters, stored_sines, swimmers
from ._pages import select
from .harlow import TRIALS
from .maml_sinusoids import LRS, MAMLSinusoids
from .water_maze import FORGETFUL, POOL, RL2

PAGE = Path(__file__).with_name("lab.html")
SOURCES = Path(__file__).parents[1] / "lab"  # in a copy of the repository
RESULTS = Path(__file__).parents[2] / "docs" / "results"  # likewise
DATA = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.DOTALL)
MARK = re.compile(r'<meta name="sources" content="\w*">')
NOISE = 0.01  # variance that the regression on sines expects


def values() -> dict[str, Any]:
    """All that the page shows and does not compute itself."""
    return {
        "sines": sines(),
        "setting": setting(),
        "balance": balance(),
        "harlow": harlow(),
        "pool": pool(),
        "characters": characters(),
    }


def sines() -> dict[str, Any]:
    """Networks, step sizes, and what is known of the family."""
    networks, scratch_rate = stored_sines()
    *features, log_penalty = networks["r2d2"]
    study = MAMLSinusoids()
    return {
        "networks": {name: packed(weights) for name, weights in networks.items()}
        | {"r2d2": packed(features)},
        "width": len(networks["maml"][1]),
        "penalty": float(np.exp(np.float64(log_penalty))),
        "rates": {
            "maml": chosen_rate("MAML"),
            "pretrained": chosen_rate("pretrained on all tasks"),
            "scratch": scratch_rate,
        },
        "choices": list(LRS),
        "steps": 10,
        "seen": {"study": 25 * study.steps, "r2d2": 25 * R2D2_STEPS},
        "prior": sine_prior(Sinusoids()) | {"noise": NOISE},
    }


def chosen_rate(recipe: str) -> float:
    """The step size that the study chose for five points, for its first seed."""
    rows = kept_result("maml-sinusoids")["rows"]
    (row,) = select(rows, part="curves", recipe=recipe, shots=5, steps=10)
    return float(np.ravel(row["lr"])[0])


def sine_prior(family: Sinusoids) -> dict[str, list[float]]:
    """Mean and variance of the factors of sin x and cos x of a family of sines of one frequency."""
    (low, high), (first, last) = family.amplitude, family.phase
    mean = (low + high) / 2
    square = (high**3 - low**3) / (3 * (high - low))
    phases = np.linspace(first, last, 20_001)
    factors = np.stack([np.cos(phases), -np.sin(phases)])  # of a sin(x - phase), for a = 1

    def average(of: np.ndarray) -> np.ndarray:
        return np.trapezoid(of, phases, axis=-1) / (last - first)

    means = mean * average(factors)
    return {
        "mean": means.tolist(),
        "variance": (square * average(factors**2) - means**2).tolist(),
    }


def setting() -> dict[str, Any]:
    """Schools of which ten pupils are known, who differ twice as much as schools do."""
    return {"noise": 2.0, "shots": 10}


def balance() -> dict[str, Any]:
    """Starts and steps of the study of two objectives."""
    return {
        "starts": {f"{scale:g}": starts for scale, starts in multitask_toy.STARTS.items()},
        "steps": {f"{scale:g}": steps for scale, steps in multitask_toy.STEPS.items()},
        "rate": multitask_toy.RATE,
        "every": multitask_toy.RECORDED,
    }


def harlow() -> dict[str, Any]:
    """Curves over the trials of a problem, of the kept result."""
    kept = kept_result("harlow")

    def curve(**about: Any) -> list[float]:
        return [row["value"] for row in select(kept["rows"], **about)]

    trials = select(kept["rows"], part="trials")
    stages = select(kept["rows"], part="stages")
    return {
        "trials": TRIALS,
        "problems": kept["sizes"]["tasks_per_step"],
        "curves": {
            name: curve(part="trials", recipe=name)
            for name in dict.fromkeys(row["recipe"] for row in trials)
        },
        "stages": {
            str(steps): curve(part="stages", steps=steps)
            for steps in dict.fromkeys(row["steps"] for row in stages)
        },
        "people": kept["people"] and kept["people"]["percent_correct"],
    }


def pool() -> dict[str, Any]:
    """The pool, the recurrent agents of all seeds, and curves of the kept result."""
    kept, days = kept_result("water-maze"), MatchingToPlace(POOL)
    agents = swimmers()
    bias, (_, inputs) = agents[0][3], agents[0][0].shape
    curves = select(kept["rows"], part="matching to place")
    rats = kept["real"].get("a moved platform, saline rats")
    return {
        "size": {
            "radius": POOL.radius,
            "platform": POOL.platform_radius,
            "speed": POOL.speed,
            "interval": POOL.interval,
            "limit": POOL.time_limit,
            "turning": POOL.turning,
            "width": POOL.cell_width,
            "centres": POOL.centres.tolist(),
        },
        "agents": [packed(weights, "<f2") for weights in agents],
        "width": len(bias),
        "inputs": inputs,
        "starts": [list(start) for start in STARTS],
        "reach": days.reach,
        "platform": list(SITES[1]),
        "trials": days.trials,
        "latency": {
            name: [row["value"] for row in select(curves, recipe=name)] for name in (RL2, FORGETFUL)
        },
        "rats": rats and rats["real"],
    }


def characters() -> dict[str, Any]:
    """The blocks of a prototypical network, and how often it is right."""
    blocks, accuracy = read_characters()
    return {
        "blocks": [
            {"weights": packed([kernel, bias], "<f2"), "channels": len(bias)}
            for kernel, bias in blocks
        ],
        "problems": Drawings().steps,  # of one task each
        "accuracy": [[int(ways), int(shots), value] for ways, shots, value in accuracy.tolist()],
    }


def kept_result(name: str) -> dict[str, Any]:
    """The kept result of a study, in a copy of the repository."""
    return json.loads((RESULTS / name / "result.json").read_text())


def packed(weights: Sequence[np.ndarray], dtype: str = "<f4") -> str:
    """Weights as one array of single (or half) precision, in base 64."""
    flat = np.concatenate([np.ravel(np.asarray(each, dtype)) for each in weights])
    return base64.b64encode(flat.tobytes()).decode()


def digest(folder: Path = SOURCES) -> str:
    """Tells one state of the sources of the page from another."""
    names = sorted(path for path in (*folder.glob("src/*"), folder / "index.html"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in names)).hexdigest()[:16]


def filled(page: str, data: dict[str, Any]) -> str:
    """The page with these values."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return DATA.sub(lambda found: f"{found[1]}{text}{found[3]}", page, count=1)


def data_of(page: str) -> dict[str, Any]:
    """The values in a page."""
    if (found := DATA.search(page)) is None:
        raise InputError("This is not the page of the lab: it has no place for values.")
    return json.loads(found[2])


def marked(page: str, sources: str) -> str:
    """The page with the state of its sources."""
    mark = f'<meta name="sources" content="{sources}">'
    bare = MARK.sub("", page)
    return bare.replace('<meta charset="utf-8">', f'<meta charset="utf-8">{mark}', 1)


def main(arguments: list[str]) -> None:
    """Writes the page again, of a newly built one if its file is given."""
    built = marked(Path(arguments[0]).read_text(), digest()) if arguments else PAGE.read_text()
    write_file(PAGE, filled(built, values()))


if __name__ == "__main__":
    main(sys.argv[1:])
