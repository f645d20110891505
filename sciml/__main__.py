"""``python -m sciml`` is ``sciml``, for ``torchrun -m sciml``."""

from sciml.cli import main

if __name__ == "__main__":
    main()
