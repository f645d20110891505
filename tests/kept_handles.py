"""h5netcdf opens a dataset anew whenever it is mentioned, some 300 times for a file of seven variables; here it stays
open.

The tests write thousands of small files, and most of that time is spent on these searches by name. An open dataset is
still read from the file; only the search falls away, until something is deleted or moved (a dimension that becomes a
variable gives up its place). The files have the same content, with some bytes in another order. Processes that a test
starts use h5netcdf as it is, and `let_go` restores it for a test that compares bytes with theirs.
"""

from contextlib import contextmanager

import h5netcdf.core
import h5netcdf.dimensions
import h5py

_changes = 0
"""Names deleted or moved so far, in any file: a handle from before may lead to what has gone."""
_let_go = False


def keep():
    """Let the variables and dimensions of h5netcdf keep what they have opened; once is for the whole process."""
    for change in ("__delitem__", "move"):
        setattr(h5py.Group, change, _counted(getattr(h5py.Group, change)))
    for kind in (h5netcdf.core.BaseObject, h5netcdf.dimensions.Dimension):
        kind._h5ds = property(_kept(kind._h5ds.fget))


@contextmanager
def let_go():
    """Open everything anew meanwhile."""
    global _let_go
    _let_go = True
    try:
        yield
    finally:
        _let_go = False


def _counted(change):
    def counted(self, *arguments, **keywords):
        global _changes
        _changes += 1
        return change(self, *arguments, **keywords)

    return counted


def _kept(open_anew):
    def handle(self):
        if _let_go:
            return open_anew(self)
        when, known = getattr(self, "_handle", (None, None))
        if when != _changes or not known:  # a handle of a closed file is false
            known = open_anew(self)
            self._handle = _changes, known
        return known

    return handle
