"""Layers small enough to time in a test."""

from unstride.bench.cases import Case

TINY = Case("tiny", "test", 2, (5, 4), 3, 4, (3, 4), (2, 2), (1, 1), (1, 0), (1, 1))
DEPTHWISE = Case("tiny-depthwise", "test", 1, (5, 5), 6, 6, (4, 4), (2, 2), (1, 1), (0, 0), (1, 1), groups=6)
SHORT = Case("tiny-1d", "test", 1, (9,), 8, 3, (16,), (8,), (4,), (0,), (1,))
SOLID = Case("tiny-3d", "test", 1, (3, 4, 5), 4, 3, (3, 3, 3), (2, 2, 2), (1, 1, 1), (1, 1, 1), (1, 1, 1))
