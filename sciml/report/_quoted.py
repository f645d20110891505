"""Figures that a text quotes from studies and races, looked up in their committed results.

A paragraph, a list item or a table row that links to ``reports/<study>/`` or ``benchmarks/results/<race>.json`` quotes
from there: every number of two or more digits, or with a percent sign or a power of ten, must be one of the numbers of
those results to the digits shown (a mean, the half-width of its interval, a single run, the ratio of two means, a
verdict, a size, a number of the study's own file or of the race's own code). This finds figures that results have
outgrown; a wrong figure that equals some other number of the same study is not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sciml.core.errors import DataError
from sciml.report._claims import RESULTS, STUDY, read_results
from sciml.report._run import read_object
from sciml.report._study_page import study_numbers
from sciml.study import RECORD, Study

_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*[-|])")
_SOURCE = re.compile(r"reports/(\w+)/|benchmarks/results/(\w+)\.json")
_SILENT = re.compile(r"\]\([^)]*\)|`[^`]*`")
"""Targets of links, and code."""
_NUMBER = re.compile(
    r"(?<![\w.^])(\d+(?:,\d{3})*(?:\.\d+)?)(?:·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?"
    r"(\s?%|(?=(?:(?:,|,? and| to| or) \d+(?:\.\d+)?)+\s?%))?"
)
"""A number, its power of ten, and whether it is one of per cent: 3.6 %, or the first of "3.6, 4.0 and 5.1 %"."""
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


class Quoted(NamedTuple):
    """A figure that no result contains.

    Fields:
        path: the text.
        line: where its paragraph begins, from 1.
        figure: as it is written.
        words: what stands around it.
        sources: what the paragraph links to.
    """

    path: Path
    line: int
    figure: str
    words: str
    sources: tuple[str, ...]


def stray_figures(texts: Iterable[Path], root: Path) -> list[Quoted]:
    """The quoted figures that none of the linked results has.

    Arguments:
        texts: Markdown files.
        root: the folder that holds ``reports`` and ``benchmarks/results``.

    Raises: DataError for a text that is not there, a link to results that are not there, or damaged results.
    """
    known: dict[tuple[str, str], np.ndarray] = {}
    stray = []
    for path in texts:
        for line, block in _blocks(_read(path)):
            sources = sorted(set(_SOURCE.findall(block)))
            for study, race in sources:
                if (study, race) not in known:
                    known[study, race] = _of_study(root, study) if study else _of_race(root, race)
            if sources:
                numbers, names = np.concatenate([known[source] for source in sources]), tuple(map("".join, sources))
                stray += [Quoted(path, line, *quoted, names) for quoted in _missing(block, numbers)]
    return stray


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read", got=str(error), expected="a Markdown text") from error


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for end in [*(match.start() for match in _BLOCK.finditer(text)), len(text)]:
        block = text[start:end]
        first = end - len(block.lstrip())
        yield text.count("\n", 0, first) + 1, block
        start = end


def _missing(block: str, numbers: np.ndarray) -> Iterator[tuple[str, str]]:
    shown = _SILENT.sub(lambda match: "]" if match[0].startswith("]") else " ", block)
    for match in _NUMBER.finditer(shown):
        digits, percent = match[1].replace(",", ""), match[3] is not None
        if len(digits.replace(".", "").lstrip("0")) < 2 and not (match[2] or percent):
            continue
        value, half = _value(match), 0.5001 * _unit(match) * 10.0 ** -len(digits.partition(".")[2])
        known = np.concatenate([numbers, 1 - numbers, numbers - 1]) if percent else numbers
        if not (np.abs(known - value) <= half).any():
            around = shown[max(0, match.start() - 40) : match.end() + 30]
            yield match[0].strip(), " ".join(around.split())


def _unit(match: re.Match[str]) -> float:
    """What the digits of a figure count: its power of ten, or hundredths."""
    scale = 10.0 ** int(match[2].translate(_RAISED)) if match[2] else 1.0
    return scale / (1.0 if match[3] is None else 100.0)


def _value(match: re.Match[str]) -> float:
    """What a figure says."""
    return float(match[1].replace(",", "")) * _unit(match)


def _of_study(root: Path, name: str) -> np.ndarray:
    folder = root / "reports" / name
    if not (folder / STUDY).exists():
        return np.array(list(_numbers(read_object(folder / RECORD))))  # a run
    summary, study = study_numbers(folder), read_object(folder / STUDY)
    lines, _ = read_results(Study.model_validate(study), folder / RESULTS)
    runs: dict[tuple[str, str], dict[str, list[float]]] = {}
    for line in lines:
        for key, value in {**line["metrics"], "predict_seconds": line["predict_seconds"]}.items():
            if value is not None:
                runs.setdefault((line["budget"], key), {}).setdefault(line["variant"], []).append(value)
    means = [[float(np.mean(values)) for values in variants.values()] for variants in runs.values()]
    ratios = [a / b for variants in means for a in variants for b in variants if b]
    milliseconds = [1000 * line["predict_seconds"] for line in lines]
    numbers = [*_numbers(summary), *_numbers(study), *_numbers(lines), *ratios, *milliseconds]
    numbers += [mean for variants in means for mean in variants]
    claimed = [value for claim in summary["claims"] for value in (claim["gain"], *claim["interval"]) if value]
    return np.array([*numbers, *(1 / (1 - value) for value in claimed if value != 1)])


def _of_race(root: Path, name: str) -> np.ndarray:
    folder = root / "benchmarks"
    try:
        results = json.loads((folder / "results" / f"{name}.json").read_text(encoding="utf-8"))
        conditions = (folder / f"{name}.py").read_text(encoding="utf-8")
        return np.array([*_numbers(results), *_numbers(conditions)])
    except (OSError, ValueError) as error:
        raise DataError(f"the results of race {name!r} cannot be read", got=str(error)) from error


def _numbers(value: Any) -> Iterator[float]:  # Any: JSON
    """Every number in plain data, also those within texts; of long lists of test cases only the length."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, str):
        yield from map(_value, _NUMBER.finditer(value))
    elif isinstance(value, dict):
        for key, entry in value.items():
            if key not in ("cases", "course", "dataset", "git", "hardware"):
                yield from _numbers(entry)
    elif isinstance(value, Sequence):
        yield float(len(value))
        for entry in value:
            yield from _numbers(entry)
