"""The figures that are no comparison of two sides in turns."""

# By name: a function of the options that gives lines of the table.
FIGURES = {}
