"""The standard recipes: of regression, of classes, of the rows of a table."""

from . import classes as classes, regression as regression, rows as rows
