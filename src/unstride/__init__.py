"""Transposed convolutions understood, sized, ported and run."""
