"""Readers of Terraform configurations for tests: python-hcl2, and Terraform's own parser in Go."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import hcl2
from clients import fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = "__is_block__"
_OWN = (_BLOCK, "__comments__", "__inline_comments__")


@dataclass(frozen=True)
class Block:
    """A block: its type and labels, and its arguments; an inner block is a list argument."""

    words: tuple[str, ...]
    body: dict[str, Any]


def read(text: str) -> list[Block]:
    """Return the blocks of a configuration, as python-hcl2 reads it; a reference is `${source}`."""
    return [
        _block((kind,), block)
        for kind, blocks in hcl2.loads(text).items()
        if kind not in _OWN
        for block in blocks
    ]


def _block(words: tuple[str, ...], body: dict[str, Any]) -> Block:
    """Walk through the labels, each of which contains the next."""
    if _BLOCK in body:
        return Block(words, _value(body))
    ((label, inner),) = ((name, each) for name, each in body.items() if name not in _OWN)
    return _block((*words, _value(label)), inner)


def _value(read: Any) -> Any:
    """Decode strings, which python-hcl2 returns raw, and omit comments."""
    if isinstance(read, dict):
        return {_value(name): _value(each) for name, each in read.items() if name not in _OWN}
    if isinstance(read, list):
        return [_value(each) for each in read]
    return json.loads(read) if isinstance(read, str) and read.startswith('"') else read


def only(text: str, *words: str) -> dict[str, Any]:
    """Return the arguments of the only block with this type and these first labels."""
    (found,) = (block.body for block in read(text) if block.words[: len(words)] == words)
    return found


class Parse(Protocol):
    """Reads a configuration with Terraform's own parser."""

    def __call__(self, text: str) -> dict[str, Any]:
        """Return `error`, `body` (words, arguments, blocks) and `formatted`, as `terraform fmt` prints it."""


@contextmanager
def terraforms_parser() -> Iterator[Parse]:
    """Provide the parser: one program for all readings."""
    program = fetched.hcl_reader(Path(__file__).with_name("reader.go"))
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None

        def parse(text: str) -> dict[str, Any]:
            questions.write(f"{json.dumps(text)}\n")
            questions.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield parse
        questions.close()
