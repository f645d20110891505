"""Contract tests: what every registered problem, task and solver owes, tested because it is registered.

``pytest --pyargs sciml.testing`` runs them over whatever is installed, entry points of other packages included, and
``-k my_solver`` over one key. They know nothing of single tasks: how inputs are cut, written, read and refined is in
the contract of `sciml.train.Task`.
"""

from sciml.testing._files import FileAnswer as FileAnswer
from sciml.testing._files import answer_file as answer_file
from sciml.testing._files import answer_or_refusal as answer_or_refusal
from sciml.testing._files import by_label as by_label
from sciml.testing._problems import PROBLEMS as PROBLEMS
from sciml.testing._problems import problem_for as problem_for
from sciml.testing._problems import small_problem as small_problem
from sciml.testing._process import process_state as process_state
from sciml.testing._trial import Trial as Trial
from sciml.testing._trial import trial_of as trial_of

__all__ = [
    "PROBLEMS",
    "FileAnswer",
    "Trial",
    "answer_file",
    "answer_or_refusal",
    "by_label",
    "problem_for",
    "process_state",
    "small_problem",
    "trial_of",
]
