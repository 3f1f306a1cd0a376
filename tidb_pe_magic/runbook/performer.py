"""What every operation is done by: the clients, connections and settings of one `Runbook`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from tidb_pe_magic import model
from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.credentials.prompt import ask
from tidb_pe_magic.credentials.secrets import Environment
from tidb_pe_magic.errors import StepOrderError
from tidb_pe_magic.runtime.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.credentials.secrets import Secret

R = TypeVar("R", bound=model.Result)


def _unheard(event: model.Event) -> None:
    """Take an event that nobody listens to."""


class Performer:
    """Does operations, and owns the clients and connections that they open."""

    def __init__(  # noqa: PLR0913 - each is an edge that a test or a skin replaces
        self,
        *,
        shell: InteractiveShell | None = None,
        on_event: model.EventHook = _unheard,
        environ: Mapping[str, str] | None = None,
        prompt: Callable[[str], Secret] = ask,
        cancel: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], bool] | None = None,
        answer_timeout: float = 15.0,
        profile: str = "",
        metadata_timeout: float = 0.5,
    ) -> None:
        """Make a runbook; nothing is called yet.

        Args:
            shell: IPython's shell, in which `connect` registers with jupysql; without one it only makes
                an engine.
            on_event: is given the frozen events of `model.Event` while a step works.
            environ: instead of `os.environ`.
            prompt: asks the person for a password.
            cancel: set it to end a wait.
            clock: seconds, monotonic.
            sleep: waits for at most so many seconds; returns True where the wait was cancelled.
            answer_timeout: seconds that a cloud may be silent in one call.
            profile: ticloud profile whose key is used, whatever the environment holds.
            metadata_timeout: seconds for each answer of the ECS metadata service.
        """
        self._on_event = on_event
        self._context = Context(
            shell=shell,
            prompt=prompt,
            clock=clock,
            sleep=sleep,
            cancel=cancel or threading.Event(),
            answer_timeout=answer_timeout,
            metadata_timeout=metadata_timeout,
        )
        self._context.profile = profile
        if environ is not None:
            self._context.environ = Environment(environ)

    def __enter__(self) -> Self:
        """Return the runbook."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection and client."""
        self.close()

    def close(self) -> None:
        """Close every SQL connection and API client; endpoints in the cloud stay."""
        from tidb_pe_magic.steps import connect  # noqa: PLC0415 - only where something was opened

        connect.close_all(self._context)
        self._context.close()

    @property
    def connection(self) -> model.Connection:
        """The SQL connection that was opened last.

        Raises:
            StepOrderError: none is open.
        """
        for connection in reversed(tuple(self._context.connections.values())):
            return connection
        raise StepOrderError("there is no SQL connection.", advice="Run %tidb_pe connect.")

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names of the open SQL connections, the one that was opened last at the end."""
        return tuple(self._context.connections)

    @property
    def cluster_id(self) -> str:
        """The cluster that is the default of most steps: the ID of the one named last, or TIDB_PE_CLUSTER."""
        from tidb_pe_magic.runtime.context import CLUSTER  # noqa: PLC0415 - only where it is asked for

        return self._context.cluster_id or self._context.environ.get(CLUSTER, "")

    def perform(  # noqa: PLR0913 - what tells one call from another
        self,
        name: str,
        request: Request,
        on_event: model.EventHook | None = None,
        *,
        cancel: threading.Event | None = None,
        prompt: Callable[[str], Secret] | None = None,
        remember: bool = True,
    ) -> model.Result:
        """Do the operation `name`: what every skin and every method below calls.

        Args:
            name: a row of `OPERATIONS`.
            request: made by the row's request class.
            on_event: default: the runbook's own.
            cancel: ends a wait of this call alone; default: the runbook's own.
            prompt: asks for a password in this call; default: the runbook's own.
            remember: the cluster that this call names is the default of the next ones.
        """
        context = self._context.for_call(cancel=cancel, prompt=prompt, remember=remember)
        hosts.overrides(context.environ)  # a host that is not valid is refused before anything is done
        listener = on_event or self._on_event
        with context.heard_by(listener):
            result = OPERATIONS[name].resolve()(context, request, listener)
        via = context.via
        # A connection names the hosts from its beginning: the same object is kept by its alias.
        return result if result.via == via else replace(result, via=via)

    def _do(self, result: type[R], operation: str, /, **values: Any) -> R:  # noqa: ARG002 - binds R
        return cast("R", self.perform(operation, OPERATIONS[operation].request.of(**values)))
