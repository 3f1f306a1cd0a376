"""The golden files are current and valid in their formats. `exports.cases` rewrites them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from exports.cases import CASES, DETAILED, GOLDEN, existing, golden, written
from exports.terraform_text import read

from tidb_pe_magic.exports.formats import FORMATS
from tidb_pe_magic.exports.marks import is_untouched_export
from tidb_pe_magic.model import EXPORT_FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

every_case = pytest.mark.parametrize("case", CASES)
every_text = pytest.mark.parametrize(("case", "name"), [(c, n) for c in CASES for n in FORMATS])


def test_every_format_of_the_request_is_written() -> None:
    """Every format that a request can name has golden files."""
    assert tuple(FORMATS) == EXPORT_FORMATS


def test_no_golden_file_is_left_over() -> None:
    """Each golden file belongs to a case."""
    assert set(GOLDEN.iterdir()) == {golden(case, name) for case in CASES for name in FORMATS}


@every_text
def test_a_text_is_as_it_was_reviewed(case: str, name: str) -> None:
    """A text changes only together with its golden file."""
    assert written(case, name) == golden(case, name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_the_order_of_the_answers_does_not_matter(name: str) -> None:
    """Zones, groups and tags are sorted, whatever the order of the clouds' answers."""
    texts = {
        FORMATS[name].write(existing(_reordered(zones=zones, security_group_ids=groups, tags=tags))).text
        for zones, groups, tags in zip(
            permutations(DETAILED.zones),
            permutations(DETAILED.security_group_ids),
            permutations(DETAILED.tags),
            strict=True,
        )
    }
    assert len(texts) == 1


def _reordered(**changes: Any) -> Any:
    return replace(DETAILED, **changes)


@every_text
def test_a_text_knows_whether_it_was_changed(case: str, name: str) -> None:
    """A text is a valid export with or without its last line feed, and invalid once a line has changed."""
    text = written(case, name)
    assert is_untouched_export(text)
    assert is_untouched_export(text.removesuffix("\n"))
    lines = text.splitlines(keepends=True)
    for number in range(len(lines)):
        for changed in ([], [f" {lines[number]}"], [lines[number], "#\n"]):
            assert not is_untouched_export("".join([*lines[:number], *changed, *lines[number + 1 :]]))
    assert not is_untouched_export("")


@every_case
def test_a_configuration_is_read(case: str) -> None:
    """python-hcl2 reads the configuration, and each block occurs once."""
    blocks = [(*block.words, block.body.get("to")) for block in read(written(case, "terraform"))]
    assert len(blocks) == len(set(blocks))


@every_case
def test_a_script_is_one_of_a_posix_shell(case: str) -> None:
    """A POSIX shell parses the script to its end."""
    script = written(case, "aliyun-cli")
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@every_text
def test_no_line_of_a_text_is_hidden(case: str, name: str) -> None:
    """All of a text is visible in a review: it is printable, without trailing spaces."""
    lines = _lines(case, name)
    assert all(line.isprintable() and line == line.rstrip() for line in lines)


def _lines(case: str, name: str) -> Iterator[str]:
    yield from written(case, name).split("\n")
