"""Values that mean nothing, and options that nothing would read, are refused rather than taken for the default."""

import math

import pytest

RUN = ("run", "spiral", "--solver", "linear_ode")


@pytest.fixture
def table(tmp_path):
    """Six cases at five times."""
    rows = "\n".join(f"{case},{t},{math.sin(t + case):.6f}" for case in range(6) for t in range(5))
    (tmp_path / "t.csv").write_text("case,t,u [m]\n" + rows + "\n")
    return ("data", "import", "t.csv", "--dry-run")


def ended(answer):
    assert answer.code == 2, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    return " ".join(answer.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*RUN, "--parameters", "0"), "greater than or equal to 1"),
        ((*RUN, "--conformal", "0"), "greater than 0"),
        ((*RUN, "--device", "cpu:3"), "device 'cpu:3' cannot be used here"),
        ((*RUN, "--device", "cpu:0"), "expected auto, cpu, cuda or cuda:N"),
        (("run", "spiral", "--solver", ""), "an argument is empty; got '--solver '"),
        (("run", "spiral", "--solver="), "an argument is empty"),
        (("report", ""), "an argument is empty"),
        (("predict", "run", "--input", "x.nc", "--steps", "0"), "greater than or equal to 1"),
        (("predict", "run", "--example", "--steps", "3"), "--example writes inputs"),
        (("predict", "run", "--input", "x.nc", "--output", "y.xlsx"), "in .nc or .csv"),
        (("discover", "lotka_volterra", "--seeds", "0"), "greater than or equal to 1"),
        (("study", "--check", "text.md", "--preset", "small"), "--check reads texts and runs nothing"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_a_value_that_means_nothing_is_refused(sciml, words, said):
    assert said in ended(sciml(*words))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--dt", "0", "dt: Input should be greater than 0"),
        ("--cut", "0", "greater than or equal to 2"),
        ("--ahead", "0", "greater than or equal to 1"),
        ("--mask", "any", "does not apply to these files; got mask = 'any'; expected fields on a grid"),
        ("--dims", "a,b", "expected arrays whose dimensions have no names"),
        ("--sheet", "first", "t.csv has no sheets"),
        ("--function", "u:3", "expected pairs of functions"),
    ],
)
def test_an_option_that_says_nothing_of_a_table_is_refused(sciml, table, option, value, said):
    assert said in ended(sciml(*table, option, value))


@pytest.mark.parametrize("option", ["--time", "--case", "--times", "--decimal", "--separator", "--sheet"])
def test_an_option_of_tables_is_refused_elsewhere(sciml, finished, option):
    value = {"--times": "0:1:5", "--decimal": ","}.get(option, "t")
    said = ended(sciml("data", "import", finished / "example.nc", "--dry-run", option, value))
    assert f"got {option[2:]} = " in said
    assert "expected a table" in said


def test_sound_options_are_read(sciml, table):
    answer = sciml(*table, "--time", "t", "--case", "case", "--decimal", ".", "--separator", ",", "--dt", "0.5")
    assert answer.code == 0
    assert "5 frames, 0.5 apart" in answer.out
