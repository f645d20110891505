"""The vocabulary every other layer speaks: problems, registry, configuration, errors, randomness, paths.

Import the modules by name (``from sciml.core.problem import Problem``): `errors`, `paths` and `config`
do not import torch, so the command line can answer before torch is loaded.
"""
