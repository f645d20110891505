import pickle

import pytest

from sciml.core import errors
from sciml.core.status import Status, count


def test_a_user_error_says_what_got_expected_and_what_to_do():
    error = errors.UserError("the grid is odd.", got=(3, 3), expected="even sizes", fix="Set grid = [4, 4].")
    assert str(error) == "the grid is odd; got (3, 3); expected even sizes. Set grid = [4, 4]."
    assert error.exit_code == 2


def test_an_unknown_name_lists_the_valid_ones_and_the_nearest():
    message = str(errors.UnknownNameError("solver", "sinnet", ["unet", "sinenet"]))
    assert "'sinnet'" in message
    assert "one of: sinenet, unet" in message
    assert "Did you mean 'sinenet'?" in message


def test_no_suggestion_when_nothing_is_near():
    assert "Did you mean" not in str(errors.UnknownNameError("solver", "zzz", ["unet"]))


@pytest.mark.parametrize("kind", [errors.UserError, errors.DataError, errors.StorageError, errors.ConfigError])
def test_errors_cross_process_boundaries(kind):
    error = pickle.loads(pickle.dumps(kind("what", got=1, expected=2, fix="do")))
    assert type(error) is kind
    assert str(error) == "what; got 1; expected 2. do"


def test_of_many_names_those_like_it_are_listed():
    few, many = [f"name_{k}" for k in range(40)], [f"name_{k}" for k in range(41)]
    assert str(errors.UnknownNameError("word", "nme_7", few)).count("name_") == 41
    message = str(errors.UnknownNameError("word", "nme_7", many))
    assert "expected one of 41 names, such as name_7, " in message
    assert message.count("name_") == 9


def test_unknown_name_crosses_process_boundaries():
    error = pickle.loads(pickle.dumps(errors.UnknownNameError("problem", "a", ["b"])))
    assert type(error) is errors.UnknownNameError
    assert "unknown problem 'a'" in str(error)


def test_exit_codes_are_the_documented_ones():
    assert [e.exit_code for e in (errors.SciMLError, errors.UserError, errors.NumericsError, errors.Interrupted)] == [
        1, 2, 3, 130,
    ]  # fmt: skip


def test_outcomes_are_counted_by_name():
    assert count([Status.OK, Status.DIVERGED, 0, 0]) == {"ok": 3, "diverged": 1}
