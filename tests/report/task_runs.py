"""The smallest real run of every task; pages of those without space are looked at closely."""

from sciml.core import registry
from sciml.testing import PROBLEMS

FIXTURES = PROBLEMS
RUNS = {
    "trajectories": ("plane_rotation", "neural_ode", ["baselines=['linear_ode']", "task.window=5"]),
    "series": ("plane_rotation", "latent_ode", ["baselines=['gru']"]),
    "classification": ("three_spots", "ode_net", ["baselines=['resnet']", "task.tolerances=[0.1,0.001]"]),
    "density": ("three_spots", "cnf", ["baselines=['kde']", "task.shape='gaussian'", "task.grid=12"]),
    "collocation": ("short_rod", "pinn", ["model.width=6", "model.hard=false"]),
    "paths": ("two_noises", "neural_sde", ["baselines=[]", "task.examined=40", "train.batch_size=10"]),
}

OTHERS = {
    "operator": ("two_sources", "deeponet", ["model.width=16"]),
    "sequences": ("driven_decay", "lssl", []),
    "regression": ("warm_tank", "kernel_ridge", ["task.cases=4"]),
    "discovery": ("hidden_decay", "sindy", []),
    "forecast": ("periodic_advection", "sinenet", ["model.levels=2", "model.waves=1", "model.width=4"]),
}


def task_problem(task):
    """The problem of a task's run."""
    return registry.find_problem(FIXTURES / {**RUNS, **OTHERS}[task][0])
