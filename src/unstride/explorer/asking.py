"""What the page asks of Python: one JSON question, one JSON answer; every rejection is an answer, too.

``read``     a pasted line and spatial sizes -> the layer's axes, and the settings of the page's controls
``explain``  the same -> the derivation, the sizes that go together, the same words and the same layer elsewhere
``layer``    axes of no framework -> the same layer elsewhere
``solve``    a wanted size -> lines that give it, best first
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from .. import explain, parse, solve
from ..answers.elsewhere import MAJOR, Translation, translate_everywhere
from ..dialects import registry
from ..dialects.spec import Spec, checked_shape
from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer
from ..geometry.wire import AXIS_KEYS, axis_to_wire
from .shapes import fit
from .sliders import settings_of

QUESTION_LIMIT = 20_000
"""Most characters of a question."""

SOLUTIONS = 24
"""Most solutions that one answer lists."""

REMEMBERED = 256
"""How many answers are kept."""

Question = Mapping[str, Any]


def ask(question: object) -> dict[str, Any]:
    """The answer to one question; ``{"error": …}`` where it is rejected.

    >>> question = {"ask": "read", "size": [2], "kernel": [3]}
    >>> ask({**question, "line": "nn.ConvTranspose1d(1, 1, 3, stride=2)"})["output_shape"]
    [1, 1, 5]
    >>> ask({**question, "line": "what?"})["error"]["code"]
    'syntax'
    """
    try:
        text = json.dumps(question, sort_keys=True)
        if len(text) > QUESTION_LIMIT:
            rule = f"a question has at most {QUESTION_LIMIT} characters, this one has {len(text)}"
            raise UnstrideError(Reason.SYNTAX, rule, hint="paste the one line that makes the layer")
        found: dict[str, Any] = json.loads(answer_text(text))
    except UnstrideError as error:
        return {"error": error.as_json()}
    except (TypeError, ValueError, RecursionError):
        return {"error": _wrong("must be a JSON object", "question", "unreadable").as_json()}
    return found


@lru_cache(REMEMBERED)
def answer_text(text: str) -> str:
    """The answer to a question's JSON text, as JSON text; rejections are raised as UnstrideError."""
    question = json.loads(text)
    if not isinstance(question, dict) or question.get("ask") not in _QUESTIONS:
        raise _wrong(f"must be one of {', '.join(_QUESTIONS)}", "ask", question)
    return json.dumps(_QUESTIONS[question["ask"]](question), ensure_ascii=False, allow_nan=False)


# --- a line ---------------------------------------------------------------------------------------------------


def _read(question: Question) -> dict[str, Any]:
    spec, shapes = _line(question)
    layer = spec.read(*shapes)
    return {
        **_facts(spec, layer, shapes),
        "settings": settings_of(spec, layer),
        "flipped": spec.weight_layout(layer.rank).flipped,
    }


def _facts(spec: Spec, layer: Layer, shapes: tuple[tuple[int, ...], tuple[int, ...] | None]) -> dict[str, Any]:
    return {
        "code": spec.code(),
        "dialect": spec.dialect,
        "title": registry.named(spec.dialect).title,
        "transposed": layer.transposed,
        "axes": [axis_to_wire(axis) for axis in layer.axes],
        "input_shape": list(shapes[0]),
        "output_shape": list(spec.output_shape(*shapes)),
    }


def _explain(question: Question) -> dict[str, Any]:
    spec, shapes = _line(question)
    found = explain(spec, *shapes)
    sections = found.sections()
    own = Translation(spec.dialect, spec, found.title)
    return {
        **_facts(spec, found.layer, shapes),
        "settings": settings_of(spec, found.layer),
        "derivation": list(sections[0].lines),
        "checkerboard": list(sections[-1].lines),
        "sizes": [sizes.as_json() for sizes in found.sizes],
        "same_words": [
            {
                "title": registry.named(saying.dialect).title,
                "code": saying.code,
                "axes": [axis_to_wire(axis) for axis in saying.layer.axes] if saying.layer else None,
                "rejected": saying.complaint,
            }
            for saying in found.same_words
        ],
        "same_layer": [_listed(each, found.layer) for each in sorted((own, *found.same_layer), key=_rank)],
    }


def _line(question: Question) -> tuple[Spec, tuple[tuple[int, ...], tuple[int, ...] | None]]:
    line = question.get("line")
    if not isinstance(line, str):
        raise _wrong("must be text", "line", line)
    spec, shape = parse(line), question.get("shape")
    if shape is None:
        return spec, fit(spec, _integers(question, "size"), _integers(question, "kernel"))
    shape = checked_shape(shape, "input_shape")
    _, _, size = spec.data_layout(len(shape)).split(shape)
    return spec, fit(spec, size, _integers(question, "kernel")) if spec.functional else (shape, None)


# --- a layer --------------------------------------------------------------------------------------------------


def _layer(question: Question) -> dict[str, Any]:
    given, transposed = question.get("axes"), question.get("transposed", True)
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise _wrong("must be a list of objects", "axes", given)
    names = tuple(name for name in AXIS_KEYS if name != "after")
    axes = tuple(Axis(**{name: entry.get(name) for name in names}) for entry in given[:3])
    layer = Layer(axes, 1, 1, transposed=bool(transposed))
    return {"same_layer": [_listed(each, layer) for each in translate_everywhere(layer)]}


def _rank(translation: Translation) -> int:
    """The most usual dialects first."""
    name = translation.dialect
    return MAJOR.index(name) if name in MAJOR else len(MAJOR) + registry.NAMES.index(name)


def _listed(translation: Translation, layer: Layer) -> dict[str, Any]:
    target = translation.target
    flipped = target is not None and target.weight_layout(layer.rank).flipped
    return {**translation.as_json(), "title": translation.title, "flipped": flipped}


# --- a size ---------------------------------------------------------------------------------------------------


def _solve(question: Question) -> dict[str, Any]:
    options = {name: _integers(question, name) for name in ("kernel", "stride") if question.get(name) is not None}
    dialects = question.get("dialects")
    if dialects is not None and not (isinstance(dialects, list) and all(isinstance(name, str) for name in dialects)):
        raise _wrong("must be a list of names", "dialects", dialects)
    found = solve(
        small=_integers(question, "small"),
        large=_integers(question, "large"),
        dialects=dialects,
        transposed=bool(question.get("transposed", True)),
        **options,  # type: ignore[arg-type]  # kernel and stride only
    )
    solutions = [
        {"title": registry.named(each.dialect).title, "code": each.code, "even": each.even, "why": each.why}
        | {"axes": [axis_to_wire(axis) for axis in each.axes], "dialect": each.dialect}
        for each in islice(found, SOLUTIONS)
    ]
    return {"solutions": solutions, "nearest": [] if solutions else list(found.nearest)}


# --- what is asked --------------------------------------------------------------------------------------------


def _integers(question: Question, name: str) -> tuple[int, ...]:
    """One to three integers; UnstrideError for anything else."""
    value = question.get(name)
    if not isinstance(value, list) or not 1 <= len(value) <= 3 or any(type(entry) is not int for entry in value):
        raise _wrong("must be a list of one to three integers", name, value)
    if max(map(abs, value)) > sys.maxsize:
        raise UnstrideError(Reason.TOO_LARGE, "must fit in 64 bits", argument=name, value=value)
    return tuple(value)


def _wrong(rule: str, argument: str, value: object) -> UnstrideError:
    return UnstrideError(Reason.ARGUMENT, rule, argument=argument, value=value)


_QUESTIONS: dict[str, Callable[[Question], dict[str, Any]]] = {
    "read": _read,
    "explain": _explain,
    "layer": _layer,
    "solve": _solve,
}
