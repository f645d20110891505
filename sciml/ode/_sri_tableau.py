"""Coefficients of stochastic Runge-Kutta methods of Rößler's class SRI, as data."""

from dataclasses import dataclass
from functools import cached_property

from sciml.ode._tableau import Row


@dataclass(frozen=True, kw_only=True)
class SRITableau:
    """Coefficients of a stochastic Runge-Kutta method of Rößler's class SRI; row i of a matrix holds columns 0 ... i-1.

    Arguments:
        a0, b0: stages of the drift.
        a1, b1: stages of the diffusion.
        alpha: weights of the drift.
        beta1, beta2, beta3, beta4: weights of the diffusion, of ΔW, χ1, χ2 and χ3.
        compared: the two drift stages the stiffness estimate compares.
    """

    a0: tuple[Row, ...]
    a1: tuple[Row, ...]
    b0: tuple[Row, ...]
    b1: tuple[Row, ...]
    alpha: Row
    beta1: Row
    beta2: Row
    beta3: Row
    beta4: Row
    compared: tuple[int, int]

    @cached_property
    def c0(self) -> Row:
        """Nodes of the drift, the row sums of `a0`."""
        return tuple(float(sum(row)) for row in self.a0)

    @cached_property
    def c1(self) -> Row:
        """Nodes of the diffusion, the row sums of `a1`."""
        return tuple(float(sum(row)) for row in self.a1)

    @cached_property
    def drifts(self) -> tuple[int, ...]:
        """Stages whose drift is needed."""
        rows = (*self.a0, *self.a1, self.alpha)
        return tuple(i for i in range(len(self.alpha)) if any(len(row) > i and row[i] for row in rows))

    @cached_property
    def weights(self) -> Row:
        """The weights of ΔW, χ1, χ2, χ3 in each stage's diffusion, and below them those that make up E2; flattened."""
        stages = range(len(self.alpha))
        whole = [(self.beta1[i], self.beta2[i], self.beta3[i], self.beta4[i]) for i in stages]
        mixed = [(0.0, 0.0, self.beta3[i], self.beta4[i]) for i in stages]
        return sum((*whole, *mixed), ())


# Rößler's two methods share most weights of the diffusion.
_BETA1, _BETA3, _BETA4 = (-1.0, 4 / 3, 2 / 3, 0.0), (2.0, -4 / 3, -2 / 3, 0.0), (-2.0, 5 / 3, -2 / 3, 1.0)

SRIW1 = SRITableau(
    a0=((), (3 / 4,), (0.0, 0.0), (0.0, 0.0, 0.0)),
    a1=((), (1 / 4,), (1.0, 0.0), (1 / 4, 0.0, 0.0)),  # printed with 1/4 at stage 3, whose drift is that of stage 1
    b0=((), (3 / 2,), (0.0, 0.0), (0.0, 0.0, 0.0)),
    b1=((), (1 / 2,), (-1.0, 0.0), (-5.0, 3.0, 1 / 2)),
    alpha=(1 / 3, 2 / 3, 0.0, 0.0),
    beta1=_BETA1,
    beta2=(-1.0, 4 / 3, -1 / 3, 0.0),
    beta3=_BETA3,
    beta4=_BETA4,
    compared=(1, 0),
)

SRIW2 = SRITableau(
    a0=((), (1.0,), (1 / 4, 1 / 4), (0.0, 0.0, 0.0)),
    a1=((), (1 / 4,), (1.0, 0.0), (0.0, 0.0, 1 / 4)),
    b0=((), (0.0,), (1.0, 1 / 2), (0.0, 0.0, 0.0)),
    b1=((), (-1 / 2,), (1.0, 0.0), (2.0, -1.0, 1 / 2)),
    alpha=(1 / 6, 1 / 6, 2 / 3, 0.0),
    beta1=_BETA1,
    beta2=(1.0, -4 / 3, 1 / 3, 0.0),
    beta3=_BETA3,
    beta4=_BETA4,
    compared=(2, 0),
)

SOSRI = SRITableau(
    a0=(
        (),
        (-0.04199224421316468,),
        (2.842612915017106, -2.0527723684000727),
        (4.338237071435815, -2.8895936137439793, 2.3017575594644466),
    ),
    a1=(
        (),
        (0.26204282091330466,),
        (0.20903646383505375, -0.1502377115150361),
        (0.05836595312746999, 0.6149440396332373, 0.08535117634046772),
    ),
    b0=(
        (),
        (-0.21641093549612528,),
        (1.5336352863679572, 0.26066223492647056),
        (-1.0536037558179159, 1.7015284721089472, -0.20725685784180017),
    ),
    b1=(
        (),
        (-0.5119011827621657,),
        (2.67767339866713, -4.9395031322250995),
        (0.15580956238299215, 3.2361551006624674, -1.4223118283355949),
    ),
    alpha=(1.140099274172029, -0.6401334255743456, 0.4736296532772559, 0.026404498125060714),
    beta1=(-1.8453464565104432, 2.688764531100726, -0.2523866501071323, 0.40896857551684956),
    beta2=(0.4969658141589478, -0.5771202869753592, -0.12919702470322217, 0.2093514975196336),
    beta3=(2.8453464565104425, -2.688764531100725, 0.2523866501071322, -0.40896857551684945),
    beta4=(0.11522663875443433, -0.57877086147738, 0.2857851028163886, 0.17775911990655704),
    compared=(2, 0),
)

SOSRI2 = SRITableau(
    a0=(
        (),
        (0.13804532298278663,),
        (0.5818361298250374, 0.4181638701749618),
        (0.4670018408674211, 0.8046204792187386, -0.27162232008616016),
    ),
    a1=(
        (),
        (0.45605532163856893,),
        (0.7555807846451692, 0.24441921535482677),
        (0.6981181143266059, 0.3453277086024727, -0.04344582292908241),
    ),
    b0=(
        (),
        (0.08852381537667678,),
        (1.0317752458971061, 0.4563552922077882),
        (1.73078280444124, -0.46089678470929774, -0.9637509618944188),
    ),
    b1=(
        (),
        (0.6753186815412179,),
        (-0.07452812525785148, -0.49783736486149366),
        (-0.5591906709928903, 0.022696571806569924, -0.8984927888368557),
    ),
    alpha=(-0.15036858140642623, 0.7545275856696072, 0.686995463807979, -0.2911544680711602),
    beta1=(-0.45315689727309133, 0.8330937231303951, 0.3792843195533544, 0.24077885458934192),
    beta2=(-0.4994383733810986, 0.9181786186154077, -0.25613778661003145, -0.16260245862427797),
    beta3=(1.4531568972730915, -0.8330937231303933, -0.3792843195533583, -0.24077885458934023),
    beta4=(-0.4976090683622265, 0.9148155835648892, -1.4102107084476505, 0.9930041932449877),
    compared=(3, 2),
)
