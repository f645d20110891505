"""Data of one's own: readers of foreign files, one small module each, and the import that they share.

A reader turns a file into `Source` objects (arrays with named dimensions, not read yet); `make_plan` recognises
fields, parameters, axes, times and splits in them; the import writes a folder with card and shards. A new format is a
new module and a row of `FORMATS`.
"""

from sciml.data.importing._choices import ImportChoices, pairs
from sciml.data.importing._formats import FORMATS, Format
from sciml.data.importing._import import AnyPlan, Arrays, import_arrays, import_files
from sciml.data.importing._pairs_plan import PairsPlan
from sciml.data.importing._plan import Plan, make_plan
from sciml.data.importing._read import read
from sciml.data.importing._rows_plan import RowsPlan
from sciml.data.importing._sequences_plan import SequencesPlan
from sciml.data.importing._source import Source, Variable

__all__ = [
    "FORMATS",
    "AnyPlan",
    "Arrays",
    "Format",
    "ImportChoices",
    "PairsPlan",
    "Plan",
    "RowsPlan",
    "SequencesPlan",
    "Source",
    "Variable",
    "import_arrays",
    "import_files",
    "make_plan",
    "pairs",
    "read",
]
