"""``python -m sciml`` is ``sciml``, for ``torchrun -m sciml``."""

import os
import signal
import sys


def start() -> None:
    """The command line as a process of its own: an interrupt while it is still being imported ends it in order too."""
    for stream in ("stdout", "stderr"):  # None where the caller closed them (`>&-`), as services do
        if getattr(sys, stream) is None:
            setattr(sys, stream, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from sciml.core.processes import terminations_interrupt

        with terminations_interrupt():
            from sciml.cli import main

            main()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted before anything had begun\n")
        sys.exit(130)


if __name__ == "__main__":
    start()
