"""The page's files, and its ES modules as one script: notebook and exported page load what the server serves."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

STYLE = "explorer.css"
PAGE = "index.html"

_IMPORT = re.compile(r'^import \{ (?P<names>[^}]+) \} from "\./(?P<module>\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (?P<name>\w+))", re.MULTILINE)
_NAME = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)


@cache
def static() -> dict[str, str]:
    """Every file of the page by name: the only files that the explorer ever sends.

    >>> sorted(name for name in static() if not name.endswith(".js"))
    ['explorer.css', 'index.html']
    """
    folder = files(__package__).joinpath("static")
    kept = (".js", ".css", ".html")
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir() if each.name.endswith(kept)}


def bundle(*entries: str) -> str:
    """One script of these modules and all they import; each in its own scope, ``$name`` its exports.

    >>> bundle("relation").startswith("const $relation = (() => {")
    True
    """
    done: dict[str, str] = {}
    for entry in entries:
        _add(entry, done)
    return "\n".join(done.values())


def _add(name: str, done: dict[str, str]) -> None:
    if name in done:
        return
    source = static()[f"{name}.js"]
    for found in _IMPORT.finditer(source):
        _add(found["module"], done)
    inner = _EXPORT.sub("", _IMPORT.sub(_taken, source))
    if re.search(r"^(import|export) ", inner, re.MULTILINE):
        raise ValueError(f"{name}.js imports or exports in a form that cannot be joined")
    exports = ", ".join(_NAME.findall(source))
    done[name] = f"const ${name} = (() => {{\n{inner}\nreturn {{ {exports} }};\n}})();"


def _taken(found: re.Match[str]) -> str:
    return f"const {{ {found['names'].replace(' as ', ': ')} }} = ${found['module']};"
