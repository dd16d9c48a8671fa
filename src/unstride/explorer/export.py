"""The explorer as one file without a server: style, script and page in it, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from ..errors import Reason, UnstrideError
from ..whole import write_whole
from .modules import PAGE, STYLE, bundle, static

_LINKS = re.compile(r'^<(?:link rel="(?:stylesheet|modulepreload)"|script) [^\n]*\n', re.MULTILINE)
"""what the served page loads: here it is in the page itself"""


def page() -> str:
    """The exported page; its policy allows its own style and script by their hashes, and no request at all."""
    style, script = static()[STYLE], bundle("copy")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<style>{style}</style>\n<script type="module">{script}</script>\n'
    )
    return _LINKS.sub("", static()[PAGE]).replace("</head>", f"{head}</head>")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def write(folder: str | Path) -> Path:
    """Write ``index.html`` into the folder, which is made; the file's path. Raises UnstrideError where it cannot."""
    target, text = Path(folder) / PAGE, page().encode()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        rule = f"cannot be written: {error.strerror or error}"
        raise UnstrideError(Reason.FILE, rule, argument="--export", value=str(folder)) from None
    write_whole(target, lambda stream: stream.write(text), argument="--export", value=str(folder))
    return target
