"""A Dask cluster as a ``concurrent.futures`` executor, for ``--scheduler tcp://…``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from sciml.core.errors import UserError

_TLS = (
    "Certificates are those of Dask's configuration: distributed.comm.tls.ca-file, .client.cert and .client.key, or "
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE and so on."
)


@contextmanager
def executor(address: str) -> Iterator[Executor | None]:
    """The cluster's executor; None when no address is given, so that the caller uses local processes."""
    if not address:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise UserError(
            "--scheduler needs Dask, which is not installed", fix="Run `pip install 'sciml[cluster]'`."
        ) from None
    try:
        client = Client(address, timeout="10s", set_as_default=False)  # a default outlives a client that fails
    except Exception as error:  # every transport of Dask fails in a way of its own
        detail = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"no Dask scheduler answers at {address!r}", got=detail, fix=_TLS if "tls" in address else ""
        ) from None
    with client:
        yield client.get_executor()
