"""Shallow water on a rotating sphere by spherical harmonics: vorticity, divergence and the height of the surface.

    ∂ζ/∂t = −∇·((ζ + f) u)
    ∂δ/∂t = k·∇×((ζ + f) u) − ∇²(g η + |u|²/2)
    ∂η/∂t = −∇·((η − b) u)

Gravity waves on the mean depth H are linear and diagonal in ``w± = g η ± i sqrt(g H/κ) δ``, ``κ = l (l + 1)/a²``, where
they turn with ``±i sqrt(g H κ)``; a state holds coefficients of ζ, w₊ and w₋, and exponential or semi-implicit methods
take these waves out of the bound of the time step.
"""

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.types import Trajectory
from sciml.reference._exponential import ETDRK4, ExponentialMethod
from sciml.reference._finite_volume import refuse_below_zero
from sciml.reference._grids import check_initial
from sciml.reference._harmonics import SphericalHarmonics, with_truncation
from sciml.reference._stepping import check_step_factor, integrate

State = Complex[Tensor, "batch three degree order"]
Fields = Float[Tensor, "batch three latitude longitude"]
PerRow = Float[Tensor, " batch"]
PerPoint = Float[Tensor, "batch latitude longitude"]

EARTH_RADIUS = 6.37122e6
"""Of Williamson's test cases, m."""
EARTH_ROTATION = 7.292e-5
"""Ω, 1/s."""
EARTH_GRAVITY = 9.80616
"""g, m/s²."""
HYPERDIFFUSION_POWER = 4
COURANT = 1.8
"""``ω dt`` of the fastest advected harmonic and of the part of the gravity waves that is not linear."""
LARGEST_FACTOR = 1.5
INERTIAL = 0.6
"""``f dt`` of the greatest Coriolis parameter: rotation couples gravity waves that are otherwise carried exactly."""


@final
class SphereFlow:
    """The equations for a batch of rows, each with its mean depth and rotation.

    Harmonics above the truncation are dropped, products are free of aliasing, and the highest degrees of all three
    fields are damped by ``exp(−t/τ (l (l + 1)/L (L + 1))⁴)``. Mass is conserved exactly.

    Arguments:
        harmonics: on Gauss's latitudes.
        depth: mean depth H per row, m; also that of the linear gravity waves.
        rotation: Ω per row, 1/s; the Earth's where None.
        radius, gravity: a in m and g in m/s².
        bed: height b of the ground, m; None for flat ground.
        coriolis: f, 1/s, where it is not 2 Ω sin φ.
        damping_time: τ of the highest degree, s; infinite for none.

    Raises: UserError for a grid that leaves products aliased, or a depth that is not positive.

    Reference: D. L. Williamson et al., A standard test set for numerical approximations to the shallow water equations
    in spherical geometry, J. Comput. Phys. 102 (1992) 211-224, doi:10.1016/S0021-9991(05)80016-6; J. J. Hack and R.
    Jakob, NCAR/TN-343+STR (1992), doi:10.5065/D64B2Z73 (the transform method).
    """

    def __init__(
        self,
        harmonics: SphericalHarmonics,
        *,
        depth: PerRow,
        rotation: PerRow | None = None,
        radius: float = EARTH_RADIUS,
        gravity: float = EARTH_GRAVITY,
        bed: Float[Tensor, "latitude longitude"] | None = None,
        coriolis: Float[Tensor, "latitude longitude"] | None = None,
        damping_time: float = math.inf,
    ) -> None:
        top = harmonics.truncation
        if 2 * harmonics.size[0] <= 3 * top or harmonics.size[1] <= 3 * top:
            raise UserError(
                "products of harmonics up to this degree are aliased on this grid",
                got=f"degrees up to {top} on {harmonics.size[0]} latitudes and {harmonics.size[1]} longitudes",
                expected=f"at least {3 * top // 2 + 1} latitudes and {3 * top + 1} longitudes",
            )
        if bool((depth <= 0).any()):  # what is not finite is left to the status
            raise UserError("the mean depth must be positive", got=depth.tolist(), expected="above zero")
        self.harmonics, self.radius, self.gravity, self.depth = harmonics, radius, gravity, depth
        self.bed = bed
        omega = torch.full_like(depth, EARTH_ROTATION) if rotation is None else rotation
        self.coriolis = (
            2 * omega[:, None, None] * torch.sin(harmonics.latitude)[:, None] if coriolis is None else coriolis
        )
        self.kappa = harmonics.minus_laplacian / radius**2
        """Eigenvalues of −∇², ``degree 1``."""
        square = gravity * depth[:, None, None] * self.kappa
        self._waves = square.sqrt()  # frequencies of gravity waves
        self._scale = (gravity * depth[:, None, None] / self.kappa.clamp(min=1 / radius**2)).sqrt()
        damping = -((harmonics.minus_laplacian / (top * (top + 1))) ** HYPERDIFFUSION_POWER) / damping_time
        stack = [torch.zeros_like(self._waves), self._waves, -self._waves]
        self.linear = torch.complex(damping.expand_as(torch.stack(stack, 1)), torch.stack(stack, 1))
        """L per row, ``batch 3 degree 1``."""

    def to_modes(self, fields: Fields, harmonics: SphericalHarmonics | None = None) -> State:
        """Depth [m] and velocity (eastward, northward) [m/s] on a grid, the solver's where None, as a state.

        Raises: UserError for a depth that is not positive, or fields on another grid.
        """
        size = (self.harmonics if harmonics is None else harmonics).size
        check_initial(fields, 3, size, "depth, eastward and northward velocity on latitude and longitude")
        refuse_below_zero(fields[:, 0], "depth", is_zero_fine=False)
        on, top = self.harmonics if harmonics is None else harmonics, self.harmonics.truncation
        modes = (*on.forward_vector(fields[:, 1:]), on.forward(fields[:, 0]))
        curl, divergence, depth = (with_truncation(part, top) for part in modes)
        level = depth if self.bed is None else depth + self.harmonics.forward(self.bed)
        return self._join(curl / self.radius, divergence / self.radius, self.gravity * level)

    def to_fields(self, state: State, harmonics: SphericalHarmonics | None = None) -> Fields:
        """Depth and velocity of a state on a grid, the solver's where None; without what its truncation cuts off."""
        on = self.harmonics if harmonics is None else harmonics
        curl, divergence, geopotential = self._split(state)
        if self.bed is not None:
            geopotential = geopotential - self.gravity * self.harmonics.forward(self.bed)
        curl, divergence, geopotential = (
            with_truncation(part, on.truncation) for part in (curl, divergence, geopotential)
        )
        velocity = on.inverse_vector(self.radius * curl, self.radius * divergence)
        return torch.cat([on.inverse(geopotential / self.gravity)[:, None], velocity], dim=1)

    def vorticity(self, state: State) -> PerPoint:
        """ζ on the solver's grid, 1/s."""
        return self.harmonics.inverse(state[:, 0])

    def _join(self, curl: Tensor, divergence: Tensor, geopotential: Tensor) -> State:
        turned = 1j * self._scale * divergence
        return torch.stack([curl, geopotential + turned, geopotential - turned], dim=1)

    def _split(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """ζ, δ and g η."""
        curl, plus, minus = state.unbind(1)
        return curl, -0.5j * (plus - minus) / self._scale, (plus + minus) / 2

    def nonlinear(self, state: State) -> State:
        """All but the linear gravity waves and the damping."""
        on = self.harmonics
        curl, divergence, geopotential = self._split(state)
        velocity = on.inverse_vector(self.radius * curl, self.radius * divergence)
        vorticity, level = on.inverse(torch.stack([curl, geopotential / self.gravity], dim=1)).unbind(1)
        excess = level - self.depth[:, None, None] - (0 if self.bed is None else self.bed)
        fluxes = torch.stack([vorticity + self.coriolis, excess], dim=1)[:, :, None] * velocity[:, None]
        turning, spreading = on.forward_vector(fluxes)
        kinetic = on.forward(velocity.square().sum(1) / 2)
        return self._join(
            -spreading[:, 0] / self.radius,
            turning[:, 0] / self.radius + self.kappa * kinetic,
            -self.gravity / self.radius * spreading[:, 1],
        )

    def tendency(self, state: State) -> State:
        """∂/∂t of a state, for methods that treat all of it alike."""
        return self.nonlinear(state) + self.linear * state

    def balanced_depth(self, velocity: Float[Tensor, "batch two latitude longitude"]) -> PerPoint:
        """The depth with mean H that leaves a velocity without divergence free of it at first: ∂δ/∂t = 0.

        ∇²(g η) = k·∇×((ζ + f) u) − ∇²(|u|²/2)  (Charney's balance)
        """
        on = self.harmonics
        vorticity = on.inverse(on.forward_vector(velocity)[0]) / self.radius
        turning = on.forward_vector((vorticity + self.coriolis)[:, None] * velocity)[0] / self.radius
        modes = -turning / self.kappa.clamp(min=1 / self.radius**2) - on.forward(velocity.square().sum(1) / 2)
        level = on.inverse(modes * (on.degree > 0)) / self.gravity + self.depth[:, None, None]
        return level - (0 if self.bed is None else self.bed - on.mean(self.bed))

    def largest_step(self, state: State) -> PerRow:
        """Bound of the time step by advection, gravity waves on what differs from the mean depth, and rotation."""
        depth, *velocity = self.to_fields(state).unbind(1)
        speed = torch.stack(velocity, 1).square().sum(1).sqrt().flatten(1).amax(1)
        waves = (self.gravity * depth.clamp(min=0)).sqrt() - (self.gravity * self.depth[:, None, None]).sqrt()
        fastest = self.harmonics.truncation / self.radius * (speed + waves.abs().flatten(1).amax(1))
        turning = self.coriolis.abs().expand(len(state), -1, -1).flatten(1).amax(1)
        return 1 / (fastest / COURANT + turning / INERTIAL)

    def is_admissible(self, state: State) -> Bool[Tensor, " batch"]:
        """Whether every value is finite and the depth positive everywhere."""
        is_finite = torch.view_as_real(state).isfinite().flatten(1).all(1)
        return is_finite & (self.to_fields(state)[:, 0].flatten(1) > 0).all(1)


def evolve_sphere(
    initial: State,
    times: Sequence[float],
    flow: SphereFlow,
    *,
    observe: Callable[[Tensor], Tensor] | None = None,
    method: ExponentialMethod = ETDRK4,
    step_factor: float = 1.0,
    longest: float = math.inf,
) -> Trajectory:
    """Depth and velocity at `times` of a batch of rows that do not influence each other.

    Arguments:
        initial: a state, see `SphereFlow.to_modes`.
        times: increasing, s; the first is that of `initial`.
        flow: the equations on their grid.
        observe: what is kept of a state; depth and velocity on the solver's grid where None.
        method: `ETDRK4`, `IFRK4` or `SemiImplicitRK3`.
        step_factor: multiplies the time step; at most 1.5, where advection becomes unstable.
        longest: time after which the step is chosen anew, see `integrate`.

    Returns: a `Trajectory`; DIVERGED for rows whose depth is not positive everywhere, or not finite.
    Raises: UserError for a step factor that cannot be.
    """
    check_step_factor(step_factor, LARGEST_FACTOR)
    return integrate(
        flow.nonlinear,
        initial,
        times,
        largest_step=lambda state: step_factor * flow.largest_step(state),
        is_admissible=flow.is_admissible,
        observe=observe or flow.to_fields,
        method=method(flow.linear),
        longest=longest,
    )
