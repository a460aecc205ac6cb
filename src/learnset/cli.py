"""The command `learnset`: words become objects here, and nowhere else."""

import dataclasses
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import jax.random as jr
import optax
import tyro
from jaxtyping import AbstractArray
from rich.console import Console
from tyro.conf import arg, OmitArgPrefixes, subcommand

from . import recipes
from ._compare import Budget, compare, slug
from ._errors import DivergedError, InputError, Interrupted
from ._evaluate import evaluate
from ._recipe import Recipe
from ._run import claim, write_json
from ._train import restore, train
from ._types import Split
from .meta import ANIL, CAVIA, CNP, IMAML, MAML, MetaSGD, R2D2, Reptile
from .models import MLP
from .report import draw_comparison, draw_tasks, terminal_table, write_comparison_page, write_study_page
from .studies import BanditStudy, HarlowStudy, MAMLSinusoids, NavigationStudy, WangStudy, WaterMazeStudy
from .tasks import LinearGaussian, Sinusoids, Unrelated
from .transfer import FineTune, Pooled

# Compiled programs are kept between runs: compiling is most of a short run's time.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learnset" / "xla"
PACKAGES = ("learnset", "jax", "jaxlib", "equinox", "optax", "numpy")


def _called(name: str, description: str) -> Any:
    return subcommand(name, description=description, prefix_name=False)


AnyTasks = (
    Annotated[Sinusoids, _called("sinusoids", "Sine waves of random amplitude and phase.")]
    | Annotated[LinearGaussian, _called("linear-gaussian", "Linear tasks whose best learner is known.")]
    | Annotated[Unrelated, _called("unrelated", "The control: tasks that share nothing.")]
)
AnyMethod = (
    Annotated[MAML, _called("maml", "An initialisation that few gradient steps take far.")]
    | Annotated[Reptile, _called("reptile", "Moves towards where each task's training ends.")]
    | Annotated[ANIL, _called("anil", "MAML that adapts the head alone.")]
    | Annotated[MetaSGD, _called("meta-sgd", "MAML with learnt step sizes.")]
    | Annotated[CAVIA, _called("cavia", "Adapts a few context inputs.")]
    | Annotated[IMAML, _called("imaml", "MAML by implicit gradients.")]
    | Annotated[R2D2, _called("r2d2", "Features for a ridge head.")]
    | Annotated[CNP, _called("cnp", "A network that reads the support set.")]
    | Annotated[Pooled, _called("pooled", "Pretraining on all tasks pooled.")]
)
STUDIES = {
    "maml-sinusoids": MAMLSinusoids,
    "harlow": HarlowStudy,
    "water-maze": WaterMazeStudy,
    "bandits": BanditStudy,
    "wang": WangStudy,
    "navigation": NavigationStudy,
}
UNTRAINED = ("maml-sinusoids", "wang", "navigation")  # studies of which no trained agents come with the package


@dataclasses.dataclass(frozen=True)
class Common:
    """What all commands have."""

    out: Path | None = None
    """directory for everything that the run leaves behind; runs/COMMAND-WHAT, unless given"""
    seed: int = 0
    """of all randomness"""
    steps: int | None = None
    """training steps"""
    quick: bool = False
    """a short run, to see that and how it works"""
    resume: bool = False
    """go on with the run in the directory, bit for bit"""
    overwrite: bool = False
    """replace the run in the directory"""
    checkpoint_every: int | None = None
    """steps between checkpoints"""

    def __post_init__(self):
        if self.steps is not None and self.steps < 1:
            raise InputError(f"`--steps {self.steps}`, but it must be at least 1.")
        if self.checkpoint_every is not None and self.checkpoint_every < 1:
            raise InputError(f"`--checkpoint-every {self.checkpoint_every}`, but it must be at least 1.")
        if self.resume and self.overwrite:
            raise InputError("`--resume` goes on with a run and `--overwrite` replaces it: give one of them.")

    def folder(self, name: str) -> Path:
        return self.out or Path("runs") / name

    @property
    def saving(self) -> dict[str, Any]:
        """How a run is kept, as `train` and `compare` take it."""
        return {"checkpoint_every": self.checkpoint_every, "resume": self.resume, "overwrite": self.overwrite}


@dataclasses.dataclass(frozen=True)
class Compare(Common):
    """Trains several ways of using past tasks under one budget and compares them on the same new tasks."""

    tasks: OmitArgPrefixes[AnyTasks] = dataclasses.field(default_factory=Sinusoids)
    test_shots: tuple[int, ...] = (2, 5, 10, 20)
    """points of the new tasks, rising"""
    seeds: int | None = None
    """repetitions, trained together; five, unless given"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        folder = self.folder(f"compare-{_word(self.tasks)}")
        shots = 10 if 10 in self.test_shots else self.test_shots[-1]
        comparison = compare(
            self._recipes(),
            _Network(*_sizes(self.tasks)),
            self.tasks,
            key=jr.key(self.seed),
            budget=self._budget(),
            out=folder,
            **self.saving,
        )
        meta = _meta(arguments, began)
        result = {"rows": comparison.rows(), "recipes": comparison.recipes(shots), "failures": comparison.failures}
        write_json(folder / "result.json", result | {"meta": meta})
        figures = draw_comparison(comparison, shots, folder)
        write_comparison_page(folder / "report.html", comparison, self.tasks, shots, meta, figures)
        console.print(terminal_table(comparison, shots))
        for message in comparison.failures.values():
            console.print(message)
        console.print(f"{folder / 'report.html'} has all of it, {folder / 'result.json'} the numbers.")

    def _budget(self) -> Budget:
        plain = Budget(shots=self.test_shots)
        quick = Budget(500, 25, seeds=3, shots=self.test_shots, queries=20, validation_tasks=50, test_tasks=50)
        given = {name: getattr(self, name) for name in ("steps", "seeds") if getattr(self, name) is not None}
        return dataclasses.replace(quick if self.quick else plain, **given)

    def _recipes(self) -> list[Recipe]:
        latents = {Sinusoids: 2, LinearGaussian: getattr(self.tasks, "in_size", 0)}.get(type(self.tasks), 0)
        everyone = recipes.standard(steps=10 if self.quick else 50, latents=latents)
        chosen = [r for r in everyone if r.name in recipes.QUICK] if self.quick else everyone
        return chosen + ([recipes.constant(self.tasks.mean)] if isinstance(self.tasks, Unrelated) else [])


@dataclasses.dataclass(frozen=True)
class Study(Common):
    """Reproduces what was published, ours beside theirs."""

    name: tyro.conf.Positional[Literal["maml-sinusoids", "harlow", "water-maze", "bandits", "wang", "navigation"]] = (
        "maml-sinusoids"
    )
    """maml-sinusoids: Table 2, the curves and Figure 2 of the MAML paper; harlow: learning sets; water-maze: one place
    for many days, and a new place every day; bandits: RL2 beside the rules that are known; wang: RL2 on arms that depend
    on each other, and on the two-step task; navigation: MAML for policies that walk to an unseen goal"""
    from_pretrained: bool = False
    """draw everything with the agents that come with the package (harlow, water-maze, bandits)"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        study = STUDIES[self.name]()
        study = study.quick() if self.quick else study
        study = study if self.steps is None else study.with_steps(self.steps)
        if self.from_pretrained and self.name in UNTRAINED:
            raise InputError(f"{self.name} has no trained agents: leave `--from-pretrained` out.")
        folder = claim(self.folder(f"study-{self.name}"), resume=self.resume, overwrite=self.overwrite)
        options: dict[str, Any] = {"checkpoint_every": self.checkpoint_every, "resume": self.resume}
        options |= {"from_pretrained": True} if self.from_pretrained else {}
        result = study.run(folder, jr.key(self.seed), **options)
        meta = _meta(arguments, began)
        write_json(folder / "result.json", result | {"meta": meta})
        words = (folder / "README.md").read_text()
        write_study_page(folder / "report.html", f"learnset study {self.name}", words, meta)
        console.print(words, markup=False, highlight=False)
        console.print(f"{folder / 'report.html'} has the pictures too, {folder / 'result.json'} the numbers.")


@dataclasses.dataclass(frozen=True)
class Train(Common):
    """Trains one method on one family of tasks, and keeps checkpoints."""

    method: AnyMethod = dataclasses.field(default_factory=MAML)
    tasks: OmitArgPrefixes[AnyTasks] = dataclasses.field(default_factory=Sinusoids)
    lr: float = 1e-3
    """step size of Adam"""
    tasks_per_step: int = 25
    """size of the meta-batch"""

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.lr < float("inf"):
            raise InputError(f"`--lr {self.lr}`, but a step size must be a finite number above zero.")

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        folder = self.folder(f"train-{_word(self.method)}-{_word(self.tasks)}")
        model_key, train_key = jr.split(jr.key(self.seed))
        trained = train(
            self.method,
            self.model(),
            self.tasks,
            optax.adam(self.lr),
            steps=self.steps or (500 if self.quick else 20_000),
            key=train_key,
            tasks_per_step=self.tasks_per_step,
            out=folder,
            **self.saving,
        )
        words = [a for a in arguments if a not in ("--resume", "--overwrite")]
        write_json(folder / "run.json", {"arguments": words, "versions": _versions()})
        speed = trained.steps / trained.seconds if trained.seconds else 0.0
        console.print(
            f"Trained {trained.steps:,} steps in {trained.seconds:.1f} s ({speed:,.0f} steps/s; compiling took"
            f" {trained.compile_seconds:.1f} s). Score it with `learnset evaluate {folder}`."
        )

    def model(self) -> Any:
        """The model that the method trains, made of the common network."""
        model_key, extension_key = jr.split(jr.split(jr.key(self.seed))[0])
        network = _Network(*_sizes(self.tasks))(model_key)
        extend = {MetaSGD: recipes.rated, CAVIA: recipes.contextual, R2D2: recipes.ridged, CNP: recipes.amortised}
        return extend.get(type(self.method), _unchanged)(network, extension_key)

    @property
    def adapter(self) -> Any:
        """How a new task is learnt after this training."""
        return FineTune(steps=10) if isinstance(self.method, Pooled) else self.method


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Scores a run of `learnset train` on new tasks."""

    folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN")]
    """directory of the run"""
    shots: tuple[int, ...] = (5, 10, 20)
    """points of the new tasks"""
    tasks: int = 600
    """how many new tasks"""
    seed: int = 1
    """which new tasks"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        training = _training_of(self.folder)
        trained = restore(self.folder, training.method, training.model(), optax.adam(training.lr))
        rows = []
        for shots in self.shots:
            family = training.tasks.with_shots(shots, 50)
            result = evaluate(training.adapter, trained.model, family, key=jr.key(self.seed), num_tasks=self.tasks)
            console.print(f"{shots} points: {result}")
            rows += [
                {"recipe": _word(training.method), "tasks": "new", "shots": shots, "steps": step,
                 "error": float(result.mean[step]), "ci95": float(result.ci95[step]), "num_tasks": result.num_tasks}
                for step in range(result.steps + 1)
            ]  # fmt: skip
        write_json(self.folder / "result.json", {"rows": rows, "meta": _meta(arguments, began)})


@dataclasses.dataclass(frozen=True)
class Draw:
    """Draws sampled tasks: support sets, query sets, and what is behind them."""

    tasks: OmitArgPrefixes[AnyTasks] = dataclasses.field(default_factory=Sinusoids)
    out: Path = Path("runs") / "draw"
    """directory for the pictures"""
    seed: int = 0
    """which tasks"""
    number: int = 6
    """how many tasks"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        if self.number < 1:
            raise InputError(f"`--number {self.number}`, but at least 1 task is drawn.")
        folder, name = claim(self.out, resume=True), _word(self.tasks)
        draw_tasks(self.tasks, folder, name, seed=self.seed, number=self.number)
        console.print(f"{folder / name}.png and .svg")


COMMANDS = {"compare": Compare, "study": Study, "train": Train, "evaluate": Evaluate, "draw": Draw}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    **Returns:** the exit code: 0, 1 for a run that failed or was stopped, 2 for input that cannot work.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "--quick" in arguments:  # most of a short run is compilation, of which LLVM's last levels take a quarter
        os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=1 {os.environ.get('XLA_FLAGS', '')}"
    jax.config.update("jax_compilation_cache_dir", os.environ.get("JAX_COMPILATION_CACHE_DIR", str(CACHE)))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    try:
        command = parse(arguments)
        command.run(Console(width=None if sys.stdout.isatty() else 120), arguments)
    except InputError as error:
        return _say(2, str(error))
    except (DivergedError, Interrupted) as error:
        return _say(1, str(error))
    except KeyboardInterrupt:
        return _say(1, "Stopped.")
    return 0


def _say(code: int, words: str) -> int:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"learnset: {words}")
    return code


def parse(arguments: Sequence[str]) -> Any:
    """The command that the words stand for. Help is printed, and ends the program, as usual.

    **Raises:** `InputError`, in one line.
    """
    heard = StringIO()
    try:
        with redirect_stderr(heard):
            return tyro.extras.subcommand_cli_from_dict(
                COMMANDS,
                prog="learnset",
                description="Learns from past tasks to solve a new one with less data and in fewer steps.",
                args=list(arguments),
                registry=_registry(),
                config=(tyro.conf.SuppressFixed, tyro.conf.CascadeSubcommandArgs, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(_one_line(heard.getvalue())) from None


def _registry() -> tyro.constructors.ConstructorRegistry:
    """How fields are read that may be numbers or arrays: from a word, as numbers."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def number(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec | None:
        first, *others = getattr(info.type, "__args__", (None,))
        if first is not float or not others or not all(issubclass(other, AbstractArray) for other in others):
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="FLOAT",
            instance_from_str=lambda words: float(words[0]),
            is_instance=lambda value: isinstance(value, float),
            str_from_instance=lambda value: [str(value)],
        )

    return registry


def _one_line(box: str) -> str:
    """The words of tyro's error box as one line."""
    lines = [
        re.sub(r"[╭╮╰╯│─]+|-{5,}|[+|]", " ", re.sub(r"\x1b\[[0-9;]*m", "", line)).strip() for line in box.splitlines()
    ]
    words = [line for line in lines[1:] if line]
    return (
        " ".join(" ".join(words).split())
        .replace("__tyro-dummy-inner__.", "")
        .replace("For full helptext, run", "See")
        .replace("For full helptext, see", "See")
    )


def _training_of(folder: Path) -> Train:
    """The command that a run was started with."""
    path = folder / "run.json"
    if not path.is_file():
        raise InputError(
            f"{folder} holds no finished run of `learnset train` (no run.json). Train first, or `--resume` it."
        )
    try:
        return parse(json.loads(path.read_text())["arguments"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}): it is damaged or of another program."
        ) from None


class _Network(eqx.Module):
    """Makes the common network: two hidden layers of 40 units, as in the MAML paper."""

    in_size: int
    out_size: int

    def __call__(self, key: jax.Array) -> MLP:
        return MLP(self.in_size, self.out_size, width=40, depth=2, key=key)


def _sizes(tasks: Any) -> tuple[int, int]:
    task = jax.eval_shape(lambda: tasks.draw(1, Split.TRAIN, key=jr.key(0)))
    return task.support.x.shape[-1], task.support.y.shape[-1]


def _unchanged(model: Any, key: jax.Array) -> Any:
    del key
    return model


def _word(thing: Any) -> str:
    """The word that stands for an object on the command line."""
    for union in (AnyTasks, AnyMethod):
        for option in union.__args__:
            if option.__origin__ is type(thing):
                return option.__metadata__[0].name
    return slug(re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", type(thing).__name__))


def _meta(arguments: Sequence[str], began: float) -> dict[str, Any]:
    command = shlex.join(["learnset", *arguments])
    return {"command": command, "seconds": round(time.perf_counter() - began, 1), "versions": _versions()}


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}
