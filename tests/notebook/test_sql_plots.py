"""`%sqlplot` on a server like TiDB, which lacks the percentiles that jupysql asks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from tidb_pe_magic.errors import InvalidRequest, QueryFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebook.conftest import Shell


# jupysql passes an argument that matplotlib renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated in Matplotlib")

_LINES = 7  # of a box: itself, two whiskers, two caps, the median, and the outliers
DELAYS = "SELECT carrier, dep_delay, CAST(dep_delay / 2 AS DECIMAL(8,2)) AS half FROM `flights`"


@pytest.fixture
def plotting(connected: Shell) -> Iterator[Shell]:
    """Provide a shell connected to the flights, with a saved query and an empty table."""
    import matplotlib  # noqa: ICN001, PLC0415 - slow to import
    import matplotlib.pyplot as plt  # noqa: PLC0415

    matplotlib.use("agg")
    connected.must(f"%sql --save delays --no-execute {DELAYS}")
    connected.must("%sql CREATE TABLE nothing (a INT)")
    connected.ip.events.register("post_run_cell", lambda *_: plt.close("all"))
    yield connected
    connected.ip.run_line_magic("sqlcmd", "snippets --delete-force delays")


def medians(axes: Any) -> list[float]:
    """Return the height of each box's median."""
    return [line.get_ydata()[0] for line in axes.lines[5::_LINES]]


def test_a_box_plot_has_the_values_quartiles(plotting: Shell) -> None:
    """Box and median are the values that percentile_disc would choose, also of a snippet and of DECIMALs."""
    rows = plotting.must("%sql SELECT dep_delay FROM flights WHERE dep_delay IS NOT NULL").value
    values = sorted(rows["dep_delay"].tolist())
    low, middle, high = (values[math.ceil(len(values) * part) - 1] for part in (0.25, 0.5, 0.75))
    for typed, scale in (
        ("flights --column dep_delay", 1),
        ("nycflights13.flights --column dep_delay", 1),
        ("delays --column dep_delay", 1),
        ("delays --column half", 2),
    ):
        axes = plotting.must(f"%sqlplot boxplot --table {typed}").value
        box = axes.lines[0].get_ydata()
        assert [scale * min(box), scale * medians(axes)[0], scale * max(box)] == [low, middle, high], typed
    both = plotting.must("%sqlplot boxplot --table delays --column dep_delay half").value
    assert medians(both) == [middle, middle / 2]


def test_a_histogram_of_decimals_has_bins(plotting: Shell) -> None:
    """A DECIMAL column is drawn like any other number, and not with one bar for each value."""
    axes = plotting.must("%sqlplot histogram --table delays --column half --bins 5").value
    plain = plotting.must("%sqlplot histogram --table delays --column dep_delay --bins 5").value
    assert [bar.get_height() for bar in axes.patches] == [bar.get_height() for bar in plain.patches]
    assert len(axes.patches) <= 5


@pytest.mark.parametrize(
    ("typed", "error", "message"),
    [
        (
            "boxplot --table flights --column carrier",
            InvalidRequest,
            "--column: is not numeric. Use a numeric",
        ),
        ("boxplot --table nothing --column a", InvalidRequest, "--column: has no values to plot."),
        ("histogram --table nothing --column a", InvalidRequest, "--column: has no values to plot."),
        ("bar --table nothing --column a", InvalidRequest, "--column: has no values to plot."),
        ("pie --table nothing --column a", InvalidRequest, "--column: has no values to plot."),
        ("boxplot --table flights --column nope", QueryFailed, "1054: Unknown column 'nope'"),
    ],
)
def test_a_plot_that_cannot_be_drawn_is_one_line(
    plotting: Shell, typed: str, error: type[Exception], message: str
) -> None:
    """The line says what is wrong with the column; no traceback of jupysql or matplotlib is shown."""
    cell = plotting.run(f"%sqlplot {typed}")
    assert isinstance(cell.error, error)
    assert message in cell.output
    assert "Traceback" not in cell.output
