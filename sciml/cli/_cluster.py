"""A Dask cluster as a ``concurrent.futures`` executor, for ``--scheduler tcp://…``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from sciml.core.errors import UserError


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
        client = Client(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(f"no Dask scheduler answers at {address!r}", got=str(error)) from None
    with client:
        yield client.get_executor()
