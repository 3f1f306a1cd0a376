"""The table of formats that `export` writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.exports import aliyun_cli, terraform

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.exports.base import ExportSource, ExportText


@dataclass(frozen=True)
class ExportFormat:
    """A format.

    Attributes:
        title: the tool's own name.
        write: creates the text.
    """

    title: str
    write: Callable[[ExportSource], ExportText]


FORMATS = {
    terraform.NAME: ExportFormat("Terraform", terraform.write),
    aliyun_cli.NAME: ExportFormat("Alibaba Cloud CLI", aliyun_cli.write),
}
