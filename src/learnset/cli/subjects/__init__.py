"""Subjects: what can be compared, each with the options that it reads and no others."""

from ._backbones import (
    KnownClasses as KnownClasses,
    opened as opened,
    USUAL as USUAL,
    usual as usual,
)
from ._base import AbstractSubject as AbstractSubject, Answer as Answer
from ._custom import Custom as Custom, CustomSubject as CustomSubject
from ._families import (
    ControlSubject as ControlSubject,
    LinearGaussianSubject as LinearGaussianSubject,
    SinusoidsSubject as SinusoidsSubject,
)
from ._images import (
    AbstractImagesSubject as AbstractImagesSubject,
    AbstractSource as AbstractSource,
    Files as Files,
    FilesSubject as FilesSubject,
    Glyphs as Glyphs,
    GlyphsSubject as GlyphsSubject,
    Omniglot as Omniglot,
    OmniglotSubject as OmniglotSubject,
)
from ._network import Network as Network, sizes as sizes
from ._tables import (
    AbstractTable as AbstractTable,
    OwnTable as OwnTable,
    OwnTableSubject as OwnTableSubject,
    Sarcos as Sarcos,
    SarcosSubject as SarcosSubject,
    School as School,
    SchoolSubject as SchoolSubject,
    Tox21 as Tox21,
    Tox21Subject as Tox21Subject,
)
