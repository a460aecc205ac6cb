"""What was published, again: one published figure or table, one file."""

from .maml_sinusoids import MAMLSinusoids as MAMLSinusoids
