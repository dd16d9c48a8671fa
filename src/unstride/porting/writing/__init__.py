"""Whole networks written in a framework: as source to paste, as arrays, and as live models."""
