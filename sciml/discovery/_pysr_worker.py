"""The process that runs PySR: ``python _pysr_worker.py FOLDER`` reads request.json there and writes result.json.

It imports nothing of sciml and no torch, with which Julia's libraries clash.
"""

import json
import os
import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Fit what was asked; whatever goes wrong is written down as ``error``."""
    try:
        answer = fit(json.loads((folder / "request.json").read_text(encoding="utf-8")))
    except Exception as error:  # any failure of Julia's must reach the parent in words
        answer = {"error": f"{type(error).__name__}: {error}"}
    temporary = folder / "result.tmp"
    temporary.write_text(json.dumps(answer), encoding="utf-8")
    os.replace(temporary, folder / "result.json")


def fit(asked: dict) -> dict:
    """The hall of fame as rows of complexity, loss and equation."""
    import numpy as np
    import pysr  # first, before anything that may load other native libraries

    options = {key: asked[key] for key in ("weights", "X_units", "y_units") if asked.get(key) is not None}
    if "weights" in options:
        options["weights"] = np.asarray(options["weights"])
    regressor = pysr.PySRRegressor(**asked["arguments"])
    regressor.fit(np.asarray(asked["X"]), np.asarray(asked["y"]), **options)
    equations = regressor.equations_  # a table, as there is one target
    rows = [
        {"complexity": int(row["complexity"]), "loss": float(row["loss"]), "equation": str(row["equation"])}
        for row in equations.to_dict("records")  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    ]
    return {"equations": rows, "version": str(pysr.__version__)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
