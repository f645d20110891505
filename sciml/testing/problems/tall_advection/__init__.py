"""The tracers of `periodic_advection` on a taller box with finer points, for networks that halve the grid."""

from dataclasses import replace

from sciml.testing.problems.periodic_advection import PROBLEM as TRACERS

PROBLEM = replace(TRACERS, name="tall_advection", title="Periodic advection of two tracers, finer grid")
