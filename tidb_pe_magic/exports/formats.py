"""The table of what `export` writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.exports import aliyun_cli, terraform

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.exports.base import Source, Text


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        title: as the tool calls itself.
        write: makes the text.
    """

    title: str
    write: Callable[[Source], Text]


FORMATS = {
    terraform.NAME: Format("Terraform", terraform.write),
    aliyun_cli.NAME: Format("Alibaba Cloud CLI", aliyun_cli.write),
}
