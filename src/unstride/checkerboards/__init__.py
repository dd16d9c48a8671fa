"""Checkerboards: how uneven a layer's coverage and its weights are, and what removes either."""
