"""Solvers of a small rod that the tests of collocation and of step rules share."""

from sciml.core import rng
from sciml.solvers.pinn import AdaptConfig, OptimiseConfig, PINNConfig, PINNSolver, WeighConfig
from sciml.testing import PROBLEMS

ROD = PROBLEMS / "short_rod"
SOLVER = PINNSolver()

METHODS = {
    "gauss_newton": {"optimise": OptimiseConfig(method="gauss_newton", warm=3, engine="taylor")},
    "cg": {"optimise": OptimiseConfig(solve="cg")},
    "lbfgs": {"optimise": OptimiseConfig(method="lbfgs", history=4, engine="taylor"), "hard": False},
    "soap": {
        "optimise": OptimiseConfig(method="soap", engine="taylor"),
        "weigh": WeighConfig(balance="grad_norm", balance_every=4, causal=1.0),
        "hard": False,
    },
    "adam": {
        "optimise": OptimiseConfig(method="adam", engine="autograd"),
        "adapt": AdaptConfig(kind="rar_d", every=5, pool=100, add=3),
        "weigh": WeighConfig(balance="relobralo", balance_every=2),
    },
    "traced": {
        "optimise": OptimiseConfig(method="adam", engine="traced"),
        "weigh": WeighConfig(balance="ntk", balance_every=6),
        "adapt": AdaptConfig(kind="rad", every=15, pool=100),
    },
}


def build(bench, seed=0, **settings):
    rng.seed_everything(seed)
    model = PINNConfig(**{"width": 5, **settings})
    return SOLVER.build(bench.problem, model, bench.context)
