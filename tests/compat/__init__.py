"""The frameworks' own calls on NumPy arrays."""
