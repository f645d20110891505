"""Coefficients of the implicit methods as data."""

import math
from dataclasses import dataclass

from sciml.ode._tableau import Row, Tableau, hermite


def _minus(row: Row, other: Row) -> Row:
    return tuple(x - y for x, y in zip(row, other, strict=True))


_G = 0.43586652150845967  # a root of x³ - 3x² + 3x/2 - 1/6
_G3 = (
    (),
    (_G, _G),
    ((-4 * _G**2 + 6 * _G - 1) / (4 * _G), (1 - 2 * _G) / (4 * _G), _G),
    ((6 * _G - 1) / (12 * _G), -1 / ((24 * _G - 12) * _G), (-6 * _G**2 + 6 * _G - 1) / (6 * _G - 3), _G),
)
KVAERNO3 = Tableau(a=_G3, b=_G3[3], error=_minus(_G3[3], (*_G3[2], 0.0)), dense=hermite(_G3[3]))

_G5 = (
    (),
    (0.26, 0.26),
    (0.13, 0.84033320996790809, 0.26),
    (0.22371961478320505, 0.47675532319799699, -0.06470895363112615, 0.26),
    (0.16648564323248321, 0.10450018841591720, 0.03631482272098715, -0.13090704451073998, 0.26),
    (0.13855640231268224, 0.0, -0.04245337201752043, 0.02446657898003141, 0.61943039072480676, 0.26),
    (
        0.13659751177640291,
        0.0,
        -0.05496908796538376,
        -0.04118626728321046,
        0.62993304899016403,
        0.06962479448202728,
        0.26,
    ),
)
# The third stage is taken 1.23 steps ahead.
# The dense output has order four and stays bounded as λ h → -∞, where one with the slope of the step's start would grow
# with λ h: Σ b_i(θ) Y_i = 0 for the stages Y_i of y' = λ y in that limit. Three coefficients are left to choose; these
# are the smallest in the least-squares sense.
KVAERNO5 = Tableau(
    a=_G5,
    b=_G5[6],
    error=_minus(_G5[6], (*_G5[5], 0.0)),
    dense=(
        (0.98880125037925989, -2.0754713023443918, 1.7291260659594189, -0.5058585022178841),
        (0.0, 0.0, 0.0, 0.0),
        (-0.071550894053856891, 0.82078568460196687, -1.6583136850728276, 0.85410980655933386),
        (-0.37532969483198678, -0.78166772744050942, 2.464156885612172, -1.3483457306228863),
        (0.060042477151035879, 3.2753387864295989, -4.2014068487776403, 1.4959586341871696),
        (0.24801282478615404, -0.5742905436928128, 0.5078329063150664, -0.11193039292638036),
        (0.15002403656939362, -0.6646948975538522, 1.1586046759638116, -0.38393381497935304),
    ),
)

_W = math.sqrt(2) / 4
_D = 1 - math.sqrt(2) / 2
TRBDF2 = Tableau(
    a=((), (_D, _D), (_W, _W, _D)),
    b=(_W, _W, _D),
    error=_minus((_W, _W, _D), ((1 - _W) / 3, (3 * _W + 1) / 3, _D / 3)),
    dense=hermite((_W, _W, _D)),
)


@dataclass(frozen=True, kw_only=True)
class LinearTableau:
    """Coefficients of a Rosenbrock method, in the variables that need no product with the Jacobian.

    (I - h γ J) u_i = γ (h f(t + α_i h, y + Σ_j a_ij u_j) + Σ_j c_ij u_j + γ_i h² ∂f/∂t)

    Arguments:
        gamma: γ.
        nodes, slants: α_i and γ_i.
        a, c: strictly lower triangles.
        b: weights of the solution, y1 = y + Σ b_i u_i.
        error: weights of the embedded error estimate.
        dense: row i holds the coefficients of θ, θ², ... in b_i(θ), with y(t + θh) = y + Σ b_i(θ) u_i.

    Reference: Hairer, Wanner, Solving Ordinary Differential Equations II, IV.7.
    """

    gamma: float
    nodes: Row
    slants: Row
    a: tuple[Row, ...]
    c: tuple[Row, ...]
    b: Row
    error: Row
    dense: tuple[Row, ...]

    @property
    def closed(self) -> bool:
        """Whether the last stage is taken at the new state, so that its slope starts the next step."""
        return (*self.a[-1], 0.0) == self.b


_D23 = 1 / (2 + math.sqrt(2))
_E23 = 6 + math.sqrt(2)
ROSENBROCK23 = LinearTableau(
    gamma=_D23,
    nodes=(0.0, 1 / 2, 1.0),
    slants=(_D23, 0.0, -_D23),
    a=((), (1 / (2 * _D23),), (1 / _D23, 1 / _D23)),
    c=((), (-1 / _D23,), (-2 / _D23, -_E23 / _D23)),
    b=(1 / _D23, 1 / _D23, 0.0),
    error=(-1 / (6 * _D23), (2 - _E23) / (6 * _D23), -1 / (6 * _D23)),
    dense=((1 / _D23, 0.0), (-2 / (1 - 2 * _D23), 1 / (_D23 * (1 - 2 * _D23))), (0.0, 0.0)),
)

_A5 = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)
_B4 = (*_A5, 1.0, 1.0)
_H2 = (10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662, 0.0)
_H3 = (-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872, 0.0)
RODAS4 = LinearTableau(
    gamma=0.25,
    nodes=(0.0, 0.386, 0.21, 0.63, 1.0, 1.0),
    slants=(0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0),
    a=(
        (),
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _A5,
        (*_A5, 1.0),
    ),
    c=(
        (),
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    b=_B4,
    error=(0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    dense=tuple((b + h2, h3 - h2, -h3) for b, h2, h3 in zip(_B4, _H2, _H3, strict=True)),
)
