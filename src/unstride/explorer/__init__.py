"""The explorer: one page of plain ES modules, served on loopback, shown in a notebook, or exported as one file."""
