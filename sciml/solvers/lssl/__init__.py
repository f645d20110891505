"""Long sequences by linear state-space layers."""

from sciml.solvers.lssl._lssl import LSSLConfig as LSSLConfig
from sciml.solvers.lssl._lssl import LSSLSolver as LSSLSolver
from sciml.solvers.lssl._pod_lssl import PODLSSLConfig as PODLSSLConfig
from sciml.solvers.lssl._pod_lssl import PODLSSLSolver as PODLSSLSolver
from sciml.solvers.lssl._s4 import S4Config as S4Config
from sciml.solvers.lssl._s4 import S4Solver as S4Solver
from sciml.solvers.lssl._s4d import S4DConfig as S4DConfig
from sciml.solvers.lssl._s4d import S4DSolver as S4DSolver
from sciml.solvers.lssl._s5 import S5Config as S5Config
from sciml.solvers.lssl._s5 import S5Solver as S5Solver

SOLVERS = (LSSLSolver(), S4Solver(), S4DSolver(), S5Solver(), PODLSSLSolver())

__all__ = [
    "SOLVERS",
    "LSSLConfig",
    "LSSLSolver",
    "PODLSSLConfig",
    "PODLSSLSolver",
    "S4Config",
    "S4DConfig",
    "S4DSolver",
    "S4Solver",
    "S5Config",
    "S5Solver",
]
