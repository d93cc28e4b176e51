"""Tables of the long lanes: what counts when tests run again, and which rows of a document are replaced."""

import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import record  # noqa: E402

PAGE = """Before.

<!-- table: begin -->

| Invariant | Rounds | Violations | Seconds | Run | |
| --- | ---: | ---: | ---: | --- | --- |
| a | 9 | 0 | 1 | monday |  |
| b | 9 | 0 | 1 | monday | kept |

<!-- table: end -->

After.
"""


def row(invariant, rounds, violations=0, run="today"):
    return {
        "invariant": invariant,
        "rounds": rounds,
        "violations": violations,
        "seconds": 2.0,
        "run": run,
        "note": "",
    }


@pytest.fixture
def file(tmp_path):
    def write(*lines):
        path = tmp_path / "lane.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"test": "cut sho')
        return path

    return write


def test_of_several_runs_of_a_test_the_last_counts(file):
    path = file(
        {"test": "t", "begin": True},
        {"test": "t"} | row("a", 5, 1),
        {"test": "t", "begin": True},
        {"test": "t"} | row("a", 7),
        {"test": "t", "passed": True},
        {"test": "u", "begin": True},
        {"test": "u"} | row("a", 3),
        {"test": "u", "passed": True},
        {"test": "u", "begin": True},
    )
    assert record.passed(path) == {"t"}
    ((found,)) = record.rows(path)
    assert (found["rounds"], found["violations"]) == (7, 0)


def test_tests_about_one_invariant_are_summed(file):
    path = file(*({"test": name} | row("a", 5, wrong) for name, wrong in (("t", 0), ("u", 2))))
    ((found,)) = record.rows(path)
    assert (found["rounds"], found["violations"], found["seconds"]) == (10, 2, 4.0)


def test_only_rows_that_ran_are_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    record.write_into(page, "table", [row("a", 5, 1), row("c", 1)], whole=False)
    text = page.read_text()
    assert "| a | 5 | 1 | 2 | today |  |\n| b | 9 | 0 | 1 | monday | kept |\n| c | 1 |" in text
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    record.write_into(page, "table", [row("c", 1)], whole=True)
    assert "| a |" not in page.read_text()


def test_a_page_without_the_table_is_named(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(SystemExit, match="lacks"):
        record.write_into(page, "table", [], whole=True)
