"""The picture as text fits a terminal, and is coloured only on request."""

from __future__ import annotations

import re

import pytest

from unstride import draw

from .cases import CASES, KERNEL, LECTURE, X

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("name", CASES)
def test_eighty_columns_are_enough(name: str) -> None:
    assert max(map(len, CASES[name]().text().splitlines())) <= 80


@pytest.mark.parametrize("name", CASES)
def test_colour_adds_nothing_but_colour(name: str) -> None:
    picture = CASES[name]()
    plain = picture.text()
    assert "\x1b" not in plain
    bare = "\n".join(line.rstrip() for line in ANSI.sub("", picture.text(colour=True)).splitlines())
    assert bare == plain


def test_the_box_stands_around_the_output() -> None:
    lines = draw(LECTURE, x=X, kernel=KERNEL, view="gather").text().splitlines()
    inside = [re.findall(r"\d+", row.split("│")[1]) for row in lines if row.count("│") == 2]
    assert inside == [["0", "4", "0", "1"], ["10", "7", "6", "3"], ["0", "7", "0", "2"], ["6", "3", "4", "2"]]
