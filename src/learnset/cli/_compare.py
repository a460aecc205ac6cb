"""`learnset compare`."""

import dataclasses
import shlex
import time
from collections.abc import Sequence
from typing import Annotated

from rich.console import Console
from tyro.conf import OmitArgPrefixes

from ..core import write_csv, write_file
from ..report import check_report, write_page
from ..training import run_folder
from ._options import called, computed, origin
from ._result import NAME, write_result
from .subjects import (
    AbstractSubject,
    ControlSubject,
    CustomSubject,
    FilesSubject,
    GlyphsSubject,
    LinearGaussianSubject,
    OmniglotSubject,
    OwnTableSubject,
    SarcosSubject,
    SchoolSubject,
    SinusoidsSubject,
    Tox21Subject,
)

AnySubject = (
    Annotated[SinusoidsSubject, called("sinusoids", "Sine waves of random amplitude and phase.")]
    | Annotated[
        LinearGaussianSubject,
        called("linear-gaussian", "Linear tasks whose best learner is known."),
    ]
    | Annotated[ControlSubject, called("unrelated", "The control: tasks that share nothing.")]
    | Annotated[
        GlyphsSubject,
        called("glyphs", "Few-shot: Unicode characters in many fonts; nothing to download."),
    ]
    | Annotated[
        OmniglotSubject, called("omniglot", "Few-shot: handwritten characters of 50 alphabets.")
    ]
    | Annotated[
        FilesSubject,
        called("files", "Few-shot: your own images (one folder a class) or .npz arrays."),
    ]
    | Annotated[SchoolSubject, called("school", "Table: exam scores of pupils in 139 schools.")]
    | Annotated[SarcosSubject, called("sarcos", "Table: seven torques of a robot arm.")]
    | Annotated[
        Tox21Subject, called("tox21", "Table: twelve assays of molecules, with missing labels.")
    ]
    | Annotated[CustomSubject, called("custom", "Your own tasks, from a Python module.")]
    | Annotated[
        OwnTableSubject,
        called("table", "Your own CSV or Parquet file, by a task column or by several targets."),
    ]
)


@dataclasses.dataclass(frozen=True)
class Compare:
    """Compares several ways to use past tasks, under one budget and on the same tasks."""

    subject: OmitArgPrefixes[AnySubject] = dataclasses.field(default_factory=SinusoidsSubject)

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        check_report()
        subject: AbstractSubject = self.subject
        out = subject.folder(f"compare-{subject.word}")
        words = {"command": f"compare {subject.word}"} | computed()
        with run_folder(out, **subject.replacing, about=words) as folder:
            with subject.executor(console) as executor:
                answer = subject.answer(folder, console, executor)
            about = origin(arguments, began)
            record = {"subject": subject.word} | answer.record() | {"meta": about}
            write_result(folder / NAME, record)
            for name, records in answer.tables().items():
                write_csv(folder / name, records)
            for name, text in answer.texts().items():
                write_file(folder / name, text)
            console.print(f"{folder / NAME} has the numbers.")
            page = answer.draw(folder, about["command"])
            write_page(page._replace(origin=about), folder, console)
        console.print(f"{out / 'report.html'} has the figures.")
        if answer.fits(record):
            console.print(f"Next: learnset fit {shlex.quote(str(out))}")
