"""Files of one's own on the command line: looked at, imported, run, listed, exported, refused."""

import numpy as np
import pytest


@pytest.fixture
def flow(tmp_path):
    """An archive of six samples of two fields on a plane that is not square."""
    values = np.random.default_rng(0).standard_normal((6, 5, 8, 16)).astype("f4")
    np.savez(
        tmp_path / "Flow 1.npz", h=values, u=0.1 * values, t=0.5 * np.arange(5), y=np.arange(8.0), x=np.arange(16.0)
    )
    return tmp_path / "Flow 1.npz"


def test_import_says_what_it_recognised_and_every_verb_takes_the_result(sciml, flow, tmp_path):
    told = (
        "--boundary",
        "x=periodic",
        "--boundary",
        "y=wall",
        "--fields",
        "h=m",
        "--fields",
        "u=m s-1",
        "--units",
        "time=s",
    )
    looked = sciml("data", "import", flow, "--dry-run", *told)
    assert looked.code == 0, looked.err
    assert "fields: h [m], u [m s-1]" in looked.out
    assert "time: 5 frames, 0.5 s apart" in looked.out
    assert "imported" not in looked.out
    made = sciml("data", "import", flow, *told)
    assert made.out.splitlines()[-1] == "next: sciml run flow_1"
    again = sciml("data", "import", flow, *told)
    assert "imported before, from the same files as flow_1" in again.out
    answer = sciml("data", "import", flow, *told, "--json").json
    assert answer["dataset"]["name"] == "flow_1"
    assert "flow_1" in [entry["name"] for entry in sciml("list", "--json").json["problems"]]
    shown = sciml("show", "flow_1").out
    assert all(word in shown for word in ("y: wall, x: periodic", "m s-1", "sinenet", "trajectories.train"))
    assert "was imported" in sciml("data", "generate", "flow_1").out
    assert sciml("data", "info", "flow_1", "--json").json["trajectories"]["frames"] == 5
    assert sciml("data", "verify", "flow_1").code == 0
    exported = sciml("data", "export", "flow_1", "--out", tmp_path / "out", "--format", "netcdf")
    assert exported.code == 0
    round_trip = sciml("data", "import", tmp_path / "out", "--name", "back", "--json").json
    assert "splits are those of the files" in "\n".join(round_trip["recognised"])


def test_run_on_a_file_in_one_step(sciml, flow, quick, tmp_path):
    first = sciml("run", "--data", flow, *quick, "--boundary", "x=periodic")
    assert first.code == 0, first.err
    assert "boundaries along y are not stated" in first.err
    assert "page: runs/flow_1/sinenet-tiny-s0/report.html" in first.out
    folder = tmp_path / "runs" / "flow_1" / "sinenet-tiny-s0"
    resumed = sciml("run", "--data", flow, *quick, "--boundary", "x=periodic", "--resume", "--json").json
    assert resumed["folder"] == str(folder.relative_to(tmp_path)), "the same file is imported once"
    written = sciml("predict", folder, "--example", "--output", "mine.nc", "--json").json
    assert written == {"output": "mine.nc", "sizes": {"sample": 1, "time": 2, "y": 8, "x": 16}, "fields": ["h", "u"]}
    assert sciml("predict", folder, "--input", "mine.nc").code == 0
    assert "give either --input FILE, or --example" in sciml("predict", folder, "--example", "--input", "mine.nc").err
    assert sciml("evaluate", folder).code == 0
    assert sciml("show", folder).code == 0
    assert sciml("report", folder).code == 0


def test_what_cannot_be_imported_is_one_paragraph(refused, flow, tmp_path):
    assert "a run is on a problem or on data of your own" in refused("run", "shallow_water", "--data", flow)
    assert "there is no file" in refused("run", "--data", tmp_path / "none.nc")
    assert "--units takes NAME=VALUE; got 'm'" in refused("data", "import", flow, "--units", "m")
    assert "--range takes numbers; got 'a:b'" in refused("data", "import", flow, "--range", "x=a:b")
    assert "unknown field" in refused("data", "import", flow, "--fields", "hh")
    assert "boundary.x" in refused("data", "import", flow, "--boundary", "x=round")
    assert "runs on a data file" in refused("run", flow)
    (tmp_path / "here").mkdir()
    assert "is in the way" in refused("data", "import", flow, "--out", tmp_path / "here")
