"""Random layers, ported between every two live frameworks, both of them run: how many are equal, refused, or wrong.

python tools/port_pairs.py --count 20 --seed 1905 [--only torch jax ...]

Each framework says ``count`` random layers in one call, and its own answer on small integers is what the port to each
framework must give exactly. Prints a table of source × target, and every port that is wrong or raises.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.corpus_asking import SETTINGS
from tools.port_layers import draw
from tools.port_worker import LIVE, Answer, Question
from unstride.dialects import registry
from unstride.dialects.refusal import ways
from unstride.dialects.spec import Spec
from unstride.geometry import Layer

WORKER = Path(__file__).with_name("port_worker.py")
OUTCOMES = ("one call", "composed", "refused", "raised", "WRONG")


@dataclass(frozen=True, slots=True)
class Pair:
    """One layer's port: what was asked, of whom, and what came of it."""

    source: str
    target: str
    question: Question
    outcome: str
    said: str = ""


def questions(name: str, count: int, seed: int) -> list[Question]:
    """Random layers that the framework says in one call, each in one of the ways in which it can."""
    random, found = Random(f"{name} {seed}"), list[Question]()
    dialect = LIVE[name].dialect
    module = registry.named(dialect).module()
    while len(found) < count:
        layer, batch = draw(random), random.choice((1, 1, 2))
        said = list(ways(layer, module.propose, batch))
        if said:
            found.append(_question(random, random.choice(said), layer, batch, dialect))
    return found


def _question(random: Random, spec: Spec, layer: Layer, batch: int, dialect: str) -> Question:
    changed: Any = spec
    if hasattr(spec, "activation") and random.random() < 0.3:
        changed = replace(changed, activation="relu")
    shape, kernel = changed.input_shape(layer, batch), changed.kernel_shape(layer)
    bias = layer.out_channels if layer.bias else 0
    return Question(changed.code(), dialect, shape, kernel, bias, random.randrange(2**31))


class Process:
    """A framework's process, started again after a crash."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._start()

    def _start(self) -> None:
        environment = {**SETTINGS, **os.environ, **LIVE[self.name].environment}
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def answers(self, asked: Sequence[Question]) -> list[Answer]:
        """One answer for each question, in order."""
        return [self._answer(question) for question in asked]

    def _answer(self, question: Question) -> Answer:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("a worker needs its pipes")
        print(json.dumps(asdict(question)), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if line:
            content = json.loads(line)
            return Answer(**{**content, "shape": tuple(content["shape"]), "values": tuple(content["values"])})
        code = self.process.wait()
        self._start()
        return Answer("raised", text=f"crash: {signal.Signals(-code).name if code < 0 else f'exit {code}'}")

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()


def pairs(names: Sequence[str], count: int, seed: int) -> Iterator[Pair]:
    """Every framework's layers, ported to every framework."""
    processes = {name: Process(name) for name in names}
    asked = {name: questions(name, count, seed) for name in names}
    everything = [(name, question) for name in names for question in asked[name]]
    ports = [replace(question, ported=True) for _, question in everything]
    with ThreadPoolExecutor(len(names)) as pool:
        own = pool.map(lambda name: processes[name].answers(asked[name]), names)
        truths = [truth for answers in own for truth in answers]
        given = pool.map(lambda name: processes[name].answers(ports), names)
        for target, answers in zip(names, given, strict=True):
            for (source, question), truth, answer in zip(everything, truths, answers, strict=True):
                yield Pair(source, target, question, *_judged(truth, answer))
    for process in processes.values():
        process.close()


def _judged(truth: Answer, answer: Answer) -> tuple[str, str]:
    if truth.outcome == "raised":
        return "unanswered", truth.text
    if answer.outcome in ("refused", "raised") or (answer.shape, answer.values) == (truth.shape, truth.values):
        return answer.outcome, answer.text
    return "WRONG", f"{truth.shape} {truth.values[:12]} became {answer.shape} {answer.values[:12]}"


def table(found: Sequence[Pair], names: Sequence[str]) -> str:
    """Counts for every pair: in one call + composed / refused; what raised or is wrong is spelled out."""
    counts = Counter((pair.source, pair.target, pair.outcome) for pair in found)
    width = max(map(len, names)) + 2
    lines = ["in one call + composed / refused", "", f"{'from, to':<{width}}{''.join(f'{n:>{width}}' for n in names)}"]
    for source in names:
        cells = []
        for target in names:
            one, composed, refused, *bad = (counts[source, target, outcome] for outcome in OUTCOMES)
            named = zip(bad, OUTCOMES[3:], strict=True)
            wrong = "".join(f" {number} {name}" for number, name in named if number)
            cells.append(f"{f'{one}+{composed}/{refused}{wrong}':>{width}}")
        lines.append(f"{source:<{width}}{''.join(cells)}")
    totals = Counter(pair.outcome for pair in found)
    return "\n".join([*lines, "", ", ".join(f"{totals[name]} {name}" for name in (*OUTCOMES, "unanswered"))])


def main() -> None:
    """Print the table, and what is not as it should be; exit 1 where a port is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="layers of each framework")
    parser.add_argument("--seed", type=int, default=1905)
    parser.add_argument("--only", nargs="+", choices=tuple(LIVE), default=tuple(LIVE))
    parser.add_argument("--json", type=Path, help="write every pair here")
    given = parser.parse_args()
    found = list(pairs(given.only, given.count, given.seed))
    print(table(found, given.only))
    bad = [pair for pair in found if pair.outcome in ("raised", "WRONG", "unanswered")]
    # what the source does not answer itself is told once
    told = {(pair.question, None if pair.outcome == "unanswered" else pair.target): pair for pair in bad}
    for pair in told.values():
        aim = "" if pair.outcome == "unanswered" else f" -> {pair.target}"
        print(f"\n{pair.outcome}: {pair.source}{aim}\n  {pair.question.code}")
        print(f"  input {pair.question.input}, kernel {pair.question.kernel}\n  {pair.said}")
    if given.json:
        given.json.write_text(json.dumps([asdict(pair) for pair in found], indent=1), encoding="utf-8")
    raise SystemExit(any(pair.outcome == "WRONG" for pair in found))


if __name__ == "__main__":
    main()
