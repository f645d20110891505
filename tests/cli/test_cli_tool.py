"""``tool``, and what ``list`` and ``show`` say of tools and of runs that tools made."""

import shutil
from pathlib import Path

import pytest

from sciml.testing import PROBLEMS

OWN = ("--problem", PROBLEMS / "periodic_advection")


@pytest.fixture
def parent(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "runs" / finished.name))


def test_list_says_which_tool_refuses_which_solver(sciml):
    support = sciml("list", "--json").json["tool_support"]
    assert support["cost"]["persistence"] == {"ok": True, "reason": ""}
    assert support["low_rank"]["sinenet"]["ok"]
    assert "no training steps" in support["low_rank"]["persistence"]["reason"]
    shown = sciml("list").out
    assert "not for runs of" in shown
    assert "persistence" in shown.split("not for runs of")[1]


def test_show_a_tool(sciml):
    shown = sciml("show", "low_rank")
    assert shown.code == 0
    assert all(word in shown.out for word in ("truncated SVD", "finetune_steps", "0.5", "Eckart", "kernel_ridge"))
    described = sciml("show", "low_rank", "--json").json
    assert described["settings"][0]["setting"] == "flops"
    assert all(row["meaning"] for row in described["settings"])
    assert "persistence" in described["refuses"]


def test_a_probe_keeps_the_baselines_and_the_page(sciml, parent):
    shown = sciml("tool", "cost", parent, *OWN, "--set", "patience=0")
    assert shown.code == 0, shown.err
    child = parent.parent / f"{parent.name}-cost"
    assert all(word in shown.out for word in ("Before and after", "latency", "rollout/", "One step of one sample"))
    assert str(child / "report.html") in shown.out.replace("\n", "")
    page = (child / "report.html").read_text(encoding="utf-8")
    assert all(word in page for word in ("Before and after", "Cost of a prediction", "Persistence", "peak memory"))
    again = sciml("show", child)
    assert "Before and after" in again.out
    described = sciml("show", child, "--json").json
    assert described["kind"] == "run"
    assert [row["tool"] for row in described["record"]["lineage"]] == ["", "cost"]
    assert set(described["headline"]) <= set(described["record"]["metrics"]["test"])
    third = sciml("tool", "cost", child, *OWN, "--set", "patience=0", "--json").json
    assert [row["tool"] for row in third["record"]["lineage"]] == ["", "cost", "cost"]
    assert Path(third["folder"]).name == f"{child.name}-cost"


def test_show_a_run_without_tools_and_what_is_none(sciml, refused, parent, monkeypatch):
    shown = sciml("show", parent)
    assert "SineNet on periodic_advection, tiny, seed 0" in shown.out
    assert "Before and after" not in shown.out
    monkeypatch.chdir(parent.parent)
    assert sciml("show", parent.name, "--json").json["key"] == parent.name
    (parent / "record.json").unlink()
    assert "not a finished run" in refused("show", parent)
    assert "not a finished run" in refused("tool", "cost", parent, *OWN)
    assert "Did you mean 'low_rank'?" in refused("tool", "lowrank", parent, *OWN)
