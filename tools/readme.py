"""Run every command of the README and put its real output under it; the tests fail where the two differ."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```console\n(?P<body>.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (?P<line>(?:.*\\\n)*.*)\n", re.MULTILINE)


def commands(text: str) -> list[str]:
    """The commands of all console blocks, in order."""
    return [found["line"] for block in BLOCK.finditer(text) for found in COMMAND.finditer(block["body"])]


def answer(line: str) -> str:
    """What one command prints, standard error included; it must be an unstride command."""
    words = shlex.split(line.replace("\\\n", " "))
    if words[0] != "unstride":
        raise SystemExit(f"the README's console blocks hold unstride commands only, not {words[0]}")
    done = subprocess.run(
        [sys.executable, "-m", "unstride.cli", *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "110", "NO_COLOR": "1"},
    )
    return "".join(f"{row.rstrip()}\n" for row in done.stdout.rstrip().splitlines())


def refreshed(text: str) -> str:
    """The README with every output replaced by the real one."""

    def block(found: re.Match[str]) -> str:
        lines = [line["line"] for line in COMMAND.finditer(found["body"])]
        return "```console\n" + "\n".join(f"$ {line}\n{answer(line)}" for line in lines) + "```"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    README.write_text(refreshed(README.read_text()))
