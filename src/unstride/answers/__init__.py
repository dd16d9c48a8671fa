"""Why: the derivation of a size, its ambiguity, every way to get a wanted size, coverage, cost, receptive field."""

from .ambiguity import list_sizes
from .cost import count_cost
from .coverage import measure_coverage
from .derivation import Explanation, explain
from .receptive import trace_field
from .solver import Solution, Solutions, solve

__all__ = [
    "Explanation",
    "Solution",
    "Solutions",
    "count_cost",
    "explain",
    "list_sizes",
    "measure_coverage",
    "solve",
    "trace_field",
]
