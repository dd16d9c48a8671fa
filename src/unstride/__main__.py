"""``python -m unstride``: the command."""

from .cli import main

main()
