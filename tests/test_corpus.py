"""Every recorded answer of the real frameworks, replayed without them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from unstride.testing.corpus import Answer, Corpus, Row, agrees, array, dump, load, load_all, replay

FOLDER = Path(__file__).parent / "corpus"
PATHS = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_recorded_answer_is_ours(path: Path) -> None:
    corpus, failures = load(path), []
    for row in corpus.rows:
        try:
            replay(row)
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, f"{len(failures)} of {len(corpus.rows)} rows differ:\n" + "\n".join(failures[:10])


def test_the_corpus_is_large_and_wide() -> None:
    found = list(load_all(FOLDER))
    versions = {(each.provenance["framework"], each.provenance["version"]) for each in found}
    assert sum(len(each.rows) for each in found) >= 2000
    assert len(versions) >= 8
    assert {str(each.provenance["backend"]) for each in found if each.provenance["framework"] == "keras"} == {
        "jax",
        "tensorflow",
        "torch",
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_file_is_named_after_what_it_holds_and_asks_each_question_once(path: Path) -> None:
    corpus = load(path)
    questions = [(row.code, row.input, row.kernel, row.bias, row.opset) for row in corpus.rows]
    assert corpus.title == path.stem
    assert len(set(questions)) == len(questions)
    assert all((row.output is None) == (row.error is not None) for row in corpus.rows)
    assert sum(row.output is not None for row in corpus.rows) > len(corpus.rows) / 2


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_provenance_lists_a_file_as_it_is(path: Path) -> None:
    corpus = load(path)
    head = [str(corpus.provenance.get(key, "")) for key in ("framework", "version", "backend")]
    counts = [len(corpus.rows), sum(row.output is None for row in corpus.rows)]
    line = f"| {' | '.join(map(str, [path.stem, *head, *counts]))} |"
    text = (FOLDER / "PROVENANCE.md").read_text(encoding="utf-8")
    assert line in text
    for reason, count in Counter(row.disagrees for row in corpus.rows if row.disagrees).items():
        assert f"| {path.stem} | {count} | " in text, reason


def test_a_file_is_written_as_it_is_read() -> None:
    assert dump(load(PATHS[0])) == PATHS[0].read_text(encoding="utf-8")


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no corpus file"):
        list(load_all(tmp_path))
    (tmp_path / "empty-1.json").write_text(dump(Corpus({"framework": "empty", "version": "1"}, ())), encoding="utf-8")
    with pytest.raises(ValueError, match="holds no row"):
        list(load_all(tmp_path))


def test_the_arrays_differ_and_stay_small_integers() -> None:
    arrays = [array((3, 5, 7), role) for role in ("input", "kernel", "bias")]
    assert len({each.tobytes() for each in arrays}) == 3
    for each in arrays:
        assert set(np.unique(each)) == set(range(-5, 6))


LINE = "torch.nn.functional.conv_transpose1d(x, w, None, stride=2)"
TRUE = Row(LINE, (1, 1, 2), (1, 1, 1), output=(1, 1, 3), values=(-8, 0, 8))


def test_a_replay_notices_every_kind_of_difference() -> None:
    x, kernel, _ = TRUE.arrays()
    assert [int(each) for each in (x[0, 0, 0] * kernel[0, 0, 0], x[0, 0, 1] * kernel[0, 0, 0])] == [-8, 8]
    replay(TRUE)
    replay(TRUE._replace(values=(0, 0, 0), disagrees="is wrong"))
    for wrong in (
        TRUE._replace(values=(-8, 0, 7)),
        TRUE._replace(output=(1, 3, 1)),
        TRUE._replace(output=None, values=None, error="refused"),
        TRUE._replace(disagrees="is said to be wrong, and is not"),
        TRUE._replace(code=LINE.replace("stride=2", "stride=0")),
    ):
        with pytest.raises(AssertionError, match="recorded"):
            replay(wrong)


def test_a_shape_alone_is_compared_where_no_values_are_recorded() -> None:
    assert agrees(TRUE._replace(values=None), Answer((1, 1, 3), None, None))
    assert not agrees(TRUE._replace(values=None), Answer((1, 1, 2), None, None))
