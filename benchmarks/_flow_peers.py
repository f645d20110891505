"""Solvers of flows by others, each as a function that gives its answer; imported where a race finds them installed."""

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


def is_installed(module: str) -> bool:
    """Whether a module can be imported, without doing so."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _quietly(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Without the warnings of the peer's own linear algebra."""

    def quiet() -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run()

    return quiet


def phiflow_smoke(smoke: Tensor, steps: int, *, dt: float, viscosity: float, buoyancy: float) -> Callable[[], Tensor]:
    """Smoke in the closed box [0, 32]² by PhiFlow's splitting, one trajectory ``y x``; as PDEArena's set is made."""
    flow: Any = importlib.import_module("phi.flow")
    math: Any = importlib.import_module("phi.math")
    math.set_global_precision(64)
    n = smoke.shape[-1]
    box = flow.Box(x=32, y=32)
    begin = flow.CenteredGrid(
        math.tensor(smoke.T.numpy(), math.spatial("x,y")), flow.extrapolation.BOUNDARY, x=n, y=n, bounds=box
    )
    rest = flow.StaggeredGrid(0, flow.extrapolation.ZERO, x=n, y=n, bounds=box)

    @_quietly
    def run() -> Tensor:
        s, v = begin, rest
        for _ in range(steps):
            s = flow.advect.semi_lagrangian(s, v, dt)
            lift = flow.resample(s * (0, buoyancy), to=v)
            v = flow.advect.semi_lagrangian(v, v, dt) + dt * lift
            v = flow.diffuse.explicit(v, viscosity, dt)
            v, _ = flow.fluid.make_incompressible(v, (), flow.Solve("scipy-direct", 1e-5, 1e-5))
        return torch.from_numpy(np.array(s.values.numpy("y,x")))

    return run


def pyclaw_dam_break(depth: Tensor, end: float) -> Callable[[], Tensor]:
    """The depth ``y x`` of water that is at rest at first in [-2.5, 2.5]² with open ends, at `end`."""
    pyclaw: Any = importlib.import_module("clawpack.pyclaw")
    riemann: Any = importlib.import_module("clawpack.riemann")

    def run() -> Tensor:
        solver = pyclaw.ClawSolver2D(riemann.shallow_roe_with_efix_2D)
        solver.limiters, solver.dimensional_split = pyclaw.limiters.tvd.MC, 1
        solver.bc_lower[:] = solver.bc_upper[:] = [pyclaw.BC.extrap] * 2
        n = depth.shape[-1]
        domain = pyclaw.Domain([pyclaw.Dimension(-2.5, 2.5, n, name=name) for name in ("x", "y")])
        state = pyclaw.State(domain, 3)
        state.problem_data["grav"] = 1.0
        state.q[:] = 0
        state.q[0] = depth.T.numpy()
        solution = pyclaw.Solution(state, domain)
        solver.setup(solution)
        solver.evolve_to_time(solution, end)
        return torch.from_numpy(solution.q[0].T.copy())

    return run


def exponax_vorticity(initial: Tensor, end: float, *, viscosity: float, dt: float) -> Callable[[], Tensor]:
    """Vorticity ``batch y x`` of decaying flow in [0, 2π)² by ETDRK4, all trajectories in one compiled call."""
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    exponax: Any = importlib.import_module("exponax")
    stepper = exponax.stepper.NavierStokesVorticity(
        2, 2 * np.pi, initial.shape[-1], dt, diffusivity=viscosity, drag=0.0, order=4
    )
    solve = jax.jit(jax.vmap(exponax.repeat(stepper, round(end / dt))))
    begin = jax.numpy.asarray(initial.numpy())[:, None]
    return lambda: torch.from_numpy(np.array(solve(begin).block_until_ready()))[:, 0]


def torch_harmonics_sphere(fields: Tensor, end: float, *, truncation: int, dt: float) -> Callable[[], Tensor]:
    """Depth and velocity ``3 latitude longitude`` on Gauss's latitudes by the package's example, no hyperdiffusion."""
    examples: Any = importlib.import_module("torch_harmonics.examples.shallow_water_equations")
    top, (latitudes, longitudes) = truncation + 1, fields.shape[-2:]
    solver = examples.ShallowWaterSolver(latitudes, longitudes, dt, lmax=top, mmax=top, grid="legendre-gauss").double()
    solver.hyperdiff = torch.ones_like(solver.hyperdiff)
    north_first = fields.flip(-2)
    begin = torch.zeros(3, top, top, dtype=torch.complex128)
    begin[0] = solver.grid2spec(9.80616 * north_first[0])
    begin[1:] = solver.vrtdivspec(north_first[1:])

    def run() -> Tensor:
        with torch.no_grad():
            values = solver.gethuv(solver.timestep(begin.clone(), round(end / dt)))
        values[0] /= 9.80616
        return values.flip(-2)

    return run
