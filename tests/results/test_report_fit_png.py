"""Pictures of cells and fits: made for every case, without touching matplotlib's global state."""

import sys

import pytest

from results.fits import Cell, Curve, Fit, LeftOut
from results.query import open_stores
from results.report_fit_png import draw, scatter
from tests.results.sweeps import finish, plan

PNG = b"\x89PNG\r\n\x1a\n"


def _cell(number, sparsity, score, **values):
    settings = {
        **{"sweep": "s", "architecture": "resnet", "mechanism": "topk", "left_out": None},
        **{"score_rule": "accuracy_ratio", "metric": "val_accuracy"},
        **values,
    }
    return Cell(trial_id=f"t{number}", sparsity=sparsity, score=score, **settings)


def _fit(**values):
    curve = {
        **{"n": 3, "lowest": 0.1, "highest": 0.9, "break_": 0.7, "interval": (0.65, 0.75)},
        **{"level": 1.0, "slope_before": 0.0, "slope_after": -1.0, "reason": "it breaks"},
        **values,
    }
    return Fit(
        group="resnet",
        architecture="resnet",
        mechanism=None,
        cells=("t0", "t1", "t2"),
        left_out=(LeftOut("t3", "fell alone"), LeftOut("t4", "no score")),
        curve=Curve(**curve),
        curve_with_all=Curve(**curve),
        loss_at=0.71,
    )


MEMBERS = [
    _cell(0, 0.1, 1.0),
    _cell(1, 0.5, 1.0, mechanism="norms"),
    _cell(2, 0.9, 0.8),
    _cell(3, 0.4, 0.1, left_out="fell alone"),
    _cell(4, None, float("nan"), left_out="no score"),
]


def _texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def test_a_cliff_is_drawn_with_its_interval_and_what_was_left_out():
    figure = draw(_fit(), MEMBERS)
    text = _texts(figure)
    assert "resnet: breaks off at 0.70 (95 %: 0.65 to 0.75)" in text
    assert "0.10 ↓" in text, "the cell far below stands at the edge"
    assert "Left out: 1 fell alone, 1 no score. With them: a break at 0.70." in text
    assert "Not drawn: 1 without" in text
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == [
        *("95 % interval", "break", "two-segment fit", "norms", "topk", "left out of the fit")
    ]
    assert "sparsity" in figure.axes[0].get_xlabel()
    assert figure.axes[0].get_ylabel() == "score: val_accuracy / baseline's"


def test_no_cliff_is_drawn_as_a_straight_line():
    figure = draw(_fit(break_=None, interval=None, reason="a straight line does as well"), MEMBERS)
    text = _texts(figure)
    assert "resnet: no cliff" in text
    assert "a straight line does as well." in text
    assert "straight line" in figure.axes[0].get_legend_handles_labels()[1]


@pytest.mark.parametrize("members", [[], MEMBERS[:1], MEMBERS[3:]])
def test_little_to_draw_is_drawn(members):
    empty = {"n": 0, "lowest": 0.0, "highest": 0.0, "break_": None, "interval": None}
    fit = _fit(**empty, level=None, slope_before=None, slope_after=None)
    assert draw(fit, members).axes


def test_mixed_scores_are_called_so():
    mixed = [*MEMBERS, _cell(5, 0.2, 0.9, score_rule="exp_loss", metric="val_loss")]
    assert draw(_fit(), mixed).axes[0].get_ylabel() == "score relative to its baseline"


def test_pictures_of_a_sweep(store, tmp_path):
    shared = {"metric": "acc", "goal": "maximize"}
    grids = ["resnet.topk", "resnet.norms", "vit.topk"]
    rows = [
        (f"{g[0]}{i}{g[-1]}", g, i / 10, 1 - max(0, i - 6) / 10) for g in grids for i in range(10)
    ]
    plan(
        store,
        [
            {"trial_id": t, "grid": g, "config": {"model": {"kind": g.split(".")[0]}}, **shared}
            for t, g, *_ in rows
        ],
    )
    for trial_id, _, sparsity, score in rows:
        finish(store, trial_id, {"sparsity": sparsity, "acc": score})
    before = set(sys.modules)
    with open_stores([store.root]) as reader:
        paths = scatter(reader, tmp_path / "report")
    assert [path.name for path in paths] == [
        *("cliff-resnet.png", "cliff-vit.png", "cliff-pooled.png")
    ]
    for path in paths:
        assert path.read_bytes().startswith(PNG)
        assert path.stat().st_size > 10_000
    assert "matplotlib.pyplot" not in set(sys.modules) - before


def test_nothing_completed_gives_no_picture(store, tmp_path):
    with open_stores([store.root]) as reader:
        assert scatter(reader, tmp_path / "report") == []
    assert not (tmp_path / "report").exists()
