"""How each framework says it: one file per framework, each with its specs, ``propose`` and ``write``."""
