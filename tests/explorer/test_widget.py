"""The notebook widget: a notebook is run headless, and its widget drawn in Chromium with Python answering."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from unstride import UnstrideError, explore, parse
from unstride.explorer.modules import bundle, static
from unstride.explorer.widget import _class
from unstride.geometry import Axis, Layer

from .browsing import SEED
from .conftest import Opener

anywidget = pytest.importorskip("anywidget", reason="the notebook widget needs the extra `notebook`")


def answers(widget: Any, question: object) -> dict[str, Any]:
    """What the widget sends back for one message of the page."""
    sent: list[dict[str, Any]] = []
    widget.send = sent.append
    widget._handle_custom_msg({"id": 7, "question": question}, [])
    (answer,) = sent
    assert answer["id"] == 7
    found: dict[str, Any] = answer["answer"]
    return found


def test_it_opens_at_a_line_a_spec_or_a_layer() -> None:
    assert explore().first == {}
    assert explore(SEED).first["output_shape"] == [1, 4, 4, 1]
    assert explore(parse("nn.ConvTranspose1d(4, 2, 3)"), (1, 4, 9)).first["output_shape"] == [1, 2, 11]
    layer = Layer((Axis(2, 4, 3, stride=2, before=1),), 1, 1)
    assert explore(layer).first["axes"][0]["before"] == 1


def test_a_wrong_line_is_an_error() -> None:
    with pytest.raises(UnstrideError, match="did you mean stride") as caught:
        explore("nn.ConvTranspose2d(1, 1, 3, strid=2)")
    assert "^" in str(caught.value)
    with pytest.raises(UnstrideError):
        explore("nn.ConvTranspose2d(1, 1, 3)", (1, 2, 3, 4))


def test_it_answers_messages() -> None:
    question = {"ask": "read", "line": SEED, "size": [2, 2], "kernel": [3, 3]}
    assert answers(explore(), question)["output_shape"] == [1, 4, 4, 1]
    assert answers(explore(), "<script>")["error"]["rule"]


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    _class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(UnstrideError, match=r"pip install 'unstride\[notebook\]'"):
        explore()


NOTEBOOK = f"""
import unstride
widget = unstride.explore({SEED!r})
widget
"""


def run_notebook(folder: Path) -> Any:
    """The widget's state in the executed notebook, as a viewer finds it."""
    nbformat = pytest.importorskip("nbformat", reason="a notebook is run")
    nbclient = pytest.importorskip("nbclient", reason="a notebook is run")
    pytest.importorskip("ipykernel", reason="a notebook is run")
    cells = [nbformat.v4.new_code_cell(NOTEBOOK)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute()
    (output,) = notebook.cells[0].outputs
    view = output["data"]["application/vnd.jupyter.widget-view+json"]
    states = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    return states[view["model_id"]]["state"]


HOST = """
import {{ default as widget }} from "{module}";
const heard = [];
const model = {{
  get: (name) => ({first})[name],
  on: (_, listener) => heard.push(listener),
  off: () => heard.splice(0),
  send: async ({{ id, question }}) => {{
    const answer = JSON.parse(await window.askPython(JSON.stringify(question)));
    heard.forEach((listener) => listener({{ id, answer }}));
  }},
}};
const el = document.createElement("div");
document.body.append(el);
window.end = widget.render({{ model, el }});
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_shows_the_widget(visit: Opener, tmp_path: Path, url: str) -> None:
    """What the notebook holds is loaded as a front end loads it: one ES module, one style, one model."""
    state = run_notebook(tmp_path)
    assert state["_esm"].rstrip().endswith("export default { render: $widget.render };")
    assert bundle("main") in state["_esm"]
    assert state["_css"] == static()["explorer.css"]
    widget = explore()
    page = visit(url, bypass_csp=True)
    page.expose_function("askPython", lambda question: json.dumps(answers(widget, json.loads(question))))
    page.evaluate("() => document.body.replaceChildren()")
    page.add_style_tag(content=state["_css"])
    module = page.evaluate(
        "(text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))", state["_esm"]
    )
    page.add_script_tag(type="module", content=HOST.format(module=module, first=json.dumps({"first": state["first"]})))
    page.wait_for_selector(".frameworks code")
    assert page.locator(".size").inner_text() == "2 × 2 → 4 × 4"
    assert page.locator(".panel.output .cell").count() == 25
    page.get_by_label("Paste the line").fill("nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)")
    page.wait_for_function(
        "() => document.querySelector('[data-dialect=keras] code').textContent.includes('4, strides=2')"
    )
    assert page.get_by_role("button", name="Copy link").count() == 0
    page.evaluate("() => window.end()")
