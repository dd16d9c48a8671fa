"""Larger than memory, longer than a file, more than one machine: exact tiles and streams."""
