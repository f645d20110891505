"""``python -m sciml`` is ``sciml``, for ``torchrun -m sciml``."""

import signal
import sys


def start() -> None:
    """The command line as a process of its own: an interrupt while it is still being imported ends it in order too."""
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
