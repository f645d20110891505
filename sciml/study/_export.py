"""Exporting a run's network as programs that need no `sciml`, and checking that they answer alike."""

import inspect
import json
import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sciml.core import paths
from sciml.core.errors import UnknownNameError, UnsupportedError
from sciml.core.guests import as_guest
from sciml.nn import HasProgram, without_complex_numbers
from sciml.study._about import ABOUT
from sciml.study._pack import place_of
from sciml.study._use import Loaded, load_run
from sciml.tools import Rewrite, find_tool

_TOLERANCE = 1e-4


class Exported(NamedTuple):
    """One format of one run.

    Fields:
        format: ``torch`` (torch.export, ``.pt2``) or ``onnx``.
        state: ``ok``, ``failed`` (an operation has no counterpart) or ``missing`` (the extra is not installed).
        path: the file, None if there is none.
        difference: largest relative difference between the program's answer and the module's.
        detail: what to know.
    """

    format: str
    state: str
    path: Path | None
    difference: float | None
    detail: str


Axes = Mapping[int, Mapping[int, str]]
"""Axes of arguments that a program leaves free beside the batch: by argument and axis, with a name."""


class _Traced(NamedTuple):
    """What a program is made from.

    Fields:
        program: what is traced; it answers as `module` does.
        module: what its answers are compared with.
        inputs: that it is traced with.
        free: axes beside the batch that are not taken as constant.
        words: what lies in the file beside the program, JSON.
    """

    program: nn.Module
    module: nn.Module
    inputs: tuple[Tensor, ...]
    free: Axes
    words: str

    def shapes(self) -> tuple[Mapping[int, object], ...]:
        """The free axes, for torch's exporters."""
        batch = torch.export.Dim("batch", min=1)
        named = [{axis: torch.export.Dim(name, min=1) for axis, name in self.free.get(i, {}).items()}
                 for i in range(len(self.inputs))]  # fmt: skip
        return tuple({0: batch, **axes} for axes in named)

    def other_sizes(self) -> tuple[Tensor, ...]:
        """Arguments of sizes that it was not traced with: their first entry comes once more along free axes."""
        grown = []
        for i, value in enumerate(self.inputs):
            for axis in (0, *self.free.get(i, {})):
                value = torch.cat([value, value.narrow(axis, 0, 1)], dim=axis)
            grown.append(value)
        return tuple(grown)


_Writer = Callable[[_Traced, Path], Exported]


@as_guest()
def export_run(
    folder: str | Path, formats: Sequence[str] = ("torch", "onnx"), *, problem: str | Path | None = None
) -> list[Exported]:
    """Write a run's module, in physical units, as ``export/model.pt2`` and ``export/model.onnx``.

    The batch size stays free, and so does the number of queries of an operator. Each file is read back, run on test
    samples and compared with the module. What the run is about (names, units, order of channels and parameters, grid,
    time step, statistics, citation, licence) and what the program's arguments are lies beside them in ``about.json``,
    and in them: an extra file of that name, a property ``about`` of the ONNX model.

    Arguments:
        folder, problem: as for `load_run`.
        formats: ``torch``, ``onnx``.

    Raises: UnknownNameError for an unknown format; DataError for a folder that is not a run; UnsupportedError for one
        whose predictions are no single program (an adaptive integration).
    """
    writers: dict[str, _Writer] = {"torch": _torch, "onnx": _onnx}
    for name in formats:
        if name not in writers:
            raise UnknownNameError("export format", name, writers)
    loaded = load_run(folder, problem=problem)
    module, single = loaded.solver.program(loaded.module), loaded.task.arguments(loaded.example())
    if module is None or single is None or not maps_tensors(module, single):
        if single is None:
            reason = f"a question of the task {loaded.task.key!r} is no fixed list of tensors"
        elif loaded.solver.coupled:
            reason = f"its answers are no function of the sample alone: {loaded.solver.coupled}"
        else:
            reason = (
                "its steps are chosen by their errors, and a program of fixed operations has no data-dependent steps"
            )
        raise UnsupportedError(
            f"{folder} cannot be exported: predicting is more than one pass through a network; {reason}",
            got=f"a run of solver {loaded.solver.key!r}",
            expected="a run whose module alone maps tensors to the answer",
            fix=f"Use a run {loaded.solver.leaves_with}."
            if loaded.solver.leaves_with
            else "Use `sciml predict`, or export a network inside it: sciml.study.load_run(…).module holds them all.",
        )
    inputs = tuple(torch.cat([value, value]) for value in single)  # two rows: the batch is not to be taken as constant
    home = paths.make_folder(place_of(folder).exports)
    plain = module
    for step in loaded.config.lineage:
        if isinstance(tool := find_tool(step.tool), Rewrite):
            plain = tool.program(plain)
    program = plain.program(*single) if isinstance(plain, HasProgram) else plain
    exported, free = [], loaded.task.free
    for name in formats:
        written = writers[name](_Traced(program, module, inputs, free, _words(loaded, inputs, free)), home)
        if written.state == "failed" and free:  # what answers at fixed points may not leave their number free
            free = {}
            written = writers[name](_Traced(program, module, inputs, free, _words(loaded, inputs, free)), home)
        exported.append(written)
    paths.write_text(home / ABOUT, _words(loaded, inputs, free) + "\n")
    return exported


def _words(loaded: Loaded, inputs: tuple[Tensor, ...], free: Axes) -> str:
    """What a program needs to be used alone, as JSON: all of ``about.json``, its arguments in order, and its answer."""
    names = list(inspect.signature(loaded.module.forward).parameters)
    columns = [*loaded.task.columns(loaded.problem, loaded.context), *[()] * len(inputs)]
    arguments = [
        {
            "name": name,
            "shape": ["batch", *(free.get(i, {}).get(axis, size) for axis, size in enumerate(value.shape) if axis)],
            "dtype": str(value.dtype).removeprefix("torch."),
            "columns": [column._asdict() for column in columns[i]],
        }
        for i, (name, value) in enumerate(zip(names, inputs, strict=False))
    ]
    answer = {"columns": [column._asdict() for column in loaded.task.answers(loaded.problem, loaded.context)]}
    words = loaded.about().model_dump(mode="json") | {"arguments": arguments, "answer": answer}
    return json.dumps(words, indent=2, ensure_ascii=False)


def maps_tensors(module: nn.Module, arguments: tuple[Tensor, ...]) -> bool:
    """Whether a module maps these tensors alone to one tensor; one that integrates also says how it went."""
    try:
        with torch.no_grad():
            return isinstance(module(*arguments), Tensor)
    except TypeError:  # it needs more than tensors, such as the seed of its noise
        return False


def _torch(traced: _Traced, home: Path) -> Exported:
    from torch._dynamo.exc import TorchDynamoException  # slow to import, needed here only

    path = home / "model.pt2"
    try:
        with _quiet():
            program = torch.export.export(traced.program, traced.inputs, dynamic_shapes=traced.shapes())
            with paths.atomic_write(path) as temporary:
                torch.export.save(program, temporary.with_suffix(".pt2"), extra_files={ABOUT: traced.words})
                temporary.with_suffix(".pt2").replace(temporary)
            again = torch.export.load(path).module()
    except (RuntimeError, ValueError, TorchDynamoException) as error:
        return Exported("torch", "failed", None, None, _reason(error))
    return _compare("torch", path, traced, lambda values: again(*values))


def _onnx(traced: _Traced, home: Path) -> Exported:
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch needs it to translate)
        from onnx.reference import ReferenceEvaluator
    except ImportError:
        return Exported("onnx", "missing", None, None, "pip install 'sciml[export]'")
    path = home / "model.onnx"
    try:
        with _quiet():
            program = torch.onnx.export(
                without_complex_numbers(traced.program),
                traced.inputs,
                dynamo=True,
                dynamic_shapes=traced.shapes(),
                verbose=False,
            )
            assert program is not None
            with paths.atomic_write(path) as temporary:
                program.save(temporary)
                described = onnx.load(temporary)
                onnx.helper.set_model_props(described, {ABOUT.removesuffix(".json"): traced.words})
                onnx.save(described, temporary)
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        return Exported("onnx", "failed", None, None, _reason(error))
    evaluator = ReferenceEvaluator(onnx.load(path))

    def answer(values: tuple[Tensor, ...]) -> Tensor:
        named = {entry.name: value for entry, value in zip(evaluator.proto_.graph.input, values, strict=False)}
        with np.errstate(all="ignore"):  # of quotients that the program then leaves out, as torch does without a word
            answers = evaluator.run(None, {name: value.numpy() for name, value in named.items()})
        return torch.from_numpy(answers[0])  # pyright: ignore[reportArgumentType] (a list, in spite of its annotation)

    return _compare("onnx", path, traced, answer)


def _compare(format: str, path: Path, traced: _Traced, answer: Callable[[tuple[Tensor, ...]], Tensor]) -> Exported:
    others = traced.other_sizes()
    with torch.no_grad():
        expected = traced.module(*others)
        try:
            got = answer(others)
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:  # it is right at the traced sizes only
            return Exported(format, "failed", path, None, f"it takes no other batch size: {_reason(error)}"[:200])
    blank = expected.isnan()  # cells of a masked grid that are not active; the program must leave out the same
    difference = math.inf
    if torch.equal(got.isnan(), blank):
        difference = float((got - expected)[~blank].abs().max() / expected[~blank].abs().max())
    good = difference <= _TOLERANCE
    detail = "answers agree" if good else f"answers differ by more than {_TOLERANCE:g}"
    return Exported(format, "ok" if good else "failed", path, difference, detail)


def _reason(error: BaseException) -> str:
    """The first line of what lies at the root of an exporter's error, without terminal colours."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)[:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters warn and log about their own internals; failures still raise."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
