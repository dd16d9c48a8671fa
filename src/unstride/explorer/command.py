"""``unstride explore``: open the page, or write it as one file."""

from __future__ import annotations

import click

from ..console import show
from ..errors import Reason, UnstrideError

_HELP = """Open the explorer: paste a line or move sliders, and see the layer.

CODE, the line that makes your layer, is what the page opens at; nothing in it is run.
The page is served to this machine only, and asks nothing of the network. With --export DIR it is written there as
one file that works from any file host and needs no Python; it then knows five frameworks and reads no pasted line.
Ctrl-C ends the server.

\b
Examples:
  unstride explore
  unstride explore "nn.ConvTranspose2d(1, 1, 3, stride=2)"
  unstride explore --port 8000 --no-browser
  unstride explore --export site
"""


@click.command(help=_HELP)
@click.argument("code", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; others are seen by others.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen at; left out: a free one.")
@click.option("--browser/--no-browser", default=True, help="Open the page in the browser.")
@click.option("--export", "folder", metavar="DIR", help="Write the page into this folder instead.")
@click.option("--json", "as_json", is_flag=True, help="Say the URL or the file as JSON.")
def explore(code: str | None, host: str, port: int, browser: bool, folder: str | None, as_json: bool) -> None:
    """The body of the command; its help is above."""
    opened = _address(code)
    if folder is not None:
        from .export import write

        if opened:
            rule, hint = "is read by Python, which an exported page lacks", "leave CODE out, or leave --export out"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="CODE", value=code, hint=hint)
        path = str(write(folder))
        show({"file": path}) if as_json else click.echo(path)
        return
    try:
        from .server import address, listen, serve
    except ImportError as error:
        rule = f"the explorer's server needs {error.name or 'starlette and uvicorn'}"
        hint = "pip install 'unstride[explore]'; or use --export DIR, which needs nothing"
        raise UnstrideError(Reason.UNSUPPORTED, rule, hint=hint) from None
    found = listen(host, port)
    url = address(host, found) + opened
    show({"url": url}) if as_json else click.echo(f"{url}  (Ctrl-C ends it)")
    if browser:
        import webbrowser

        webbrowser.open(url)
    try:
        serve(host, found)
    except KeyboardInterrupt:
        click.echo("")


def _address(code: str | None) -> str:
    """The part of the URL that opens the page at a line."""
    if code is None:
        return ""
    from urllib.parse import urlencode

    from ..dialects.code import parse

    return "#" + urlencode({"line": parse(code).code()})
