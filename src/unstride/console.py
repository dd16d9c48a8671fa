"""What stands between a command and its terminal: JSON, drawings, streams that may be closed, and exit codes."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from .errors import Reason, UnstrideError

EXIT_REJECTED = 1
"""the request was understood and rejected"""
EXIT_REFUSED = 3
"""``port``: not in one call (what equals it exactly is printed); ``solve``: no line within the bounds"""
EXIT_INTERNAL = 70
"""an error of unstride itself"""
EXIT_INTERRUPTED = 130


def show(document: object) -> None:
    """Print JSON, one document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def draw(renderable: Any) -> None:
    """Print a rich renderable: colours on a terminal only, lines never broken or padded."""
    from rich.console import Console

    with Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120) as console:
        with console.capture() as drawn:
            console.print(renderable, soft_wrap=True)
        click.echo("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def guard(command: Callable[[], object], *, as_json: bool) -> None:
    """Run the command, then exit with its code; no error leaves a traceback."""
    try:
        _open_streams()
        status = command()
        sys.stdout.flush()
    except UnstrideError as error:
        _complain(error, as_json=as_json)
        raise SystemExit(EXIT_REJECTED) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(EXIT_INTERRUPTED) from None
    except OSError as error:
        _drop_output()
        if error.errno == errno.EPIPE:  # the reader has gone, and wants no more
            raise SystemExit(0) from None
        _complain(UnstrideError(Reason.FILE, f"cannot be written: {error.strerror}", argument="output"), as_json=False)
        raise SystemExit(EXIT_REJECTED) from None
    except Exception as error:
        if os.environ.get("UNSTRIDE_DEBUG"):
            raise
        click.echo(f"error of unstride itself: {type(error).__name__}: {error}", err=True)
        click.echo("please report it, with the command; UNSTRIDE_DEBUG=1 shows where", err=True)
        raise SystemExit(EXIT_INTERNAL) from None
    raise SystemExit(status if isinstance(status, int) else 0)


def _open_streams() -> None:
    """Closed streams become empty ones, and signs that the terminal's encoding lacks become question marks."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, io.StringIO())
        elif isinstance(stream, io.TextIOWrapper) and name != "stdin":
            stream.reconfigure(errors="replace")


def _drop_output() -> None:
    """What is still to be written has nowhere to go; let it go there without a complaint at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(error: UnstrideError, *, as_json: bool) -> None:
    if as_json:
        show({"error": error.as_json()})
        return
    head, _, where = str(error).partition("\n")
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(head, err=True)
    if where:
        click.echo(where, err=True)
