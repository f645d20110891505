"""What every registered tool owes: it says what it is, and to which solvers it does not apply, with a reason."""

import pytest

from sciml.tools import find_tool, registered_tools
from sciml.train import registered_solvers


@pytest.fixture(params=sorted(registered_tools()))
def tool(request):
    return find_tool(request.param)


def test_it_describes_itself(tool):
    assert tool.title
    assert tool.citation
    assert tool.config.meanings().keys() == tool.config.model_fields.keys(), "a setting has no docstring"


def test_it_answers_for_every_solver_with_a_reason(tool):
    answers = {key: tool.supports(solver) for key, solver in registered_solvers().items()}
    assert any(answer.ok for answer in answers.values()), "it applies to no solver at all"
    silent = [key for key, answer in answers.items() if not answer.ok and not answer.reason]
    assert not silent, "it refuses these solvers without a reason"


def test_its_settings_have_defaults_and_survive_json(tool):
    settings = tool.config()
    assert type(settings).model_validate_json(settings.model_dump_json()) == settings
