"""Plots of run folders: what the log says is what is drawn, and the page needs nothing else."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mendpix.errors import TrainingError
from mendpix.training import plots


def write_run(folder: Path, sheets: int = 6, torn: bool = False) -> Path:
    """A run of 40 steps, as the trainer logs it."""
    lines: list[dict[str, object]] = [{"step": 0, "skipped": "bad.png", "why": "broken"}]
    lines.append({"step": 1, "phase": 0, "gradient_shares": {"l1": 0.75, "style": 0.25}})
    for step in range(10, 50, 10):
        losses = {"l1": 1 / step, "style": 2 / step}
        rates = {"gradients": {"network": 0.5}, "lr": 1e-3, "rate": 4.0, "waited": 0.01}
        lines.append({"step": step, "losses": losses, **rates})
        measured = {"hole_l1": 0.2 - step / 1000, "psnr": 20 + step / 10, "mean_colour_l1": 0.18}
        lines.append({"step": step, "validation": measured})
    (folder / "sheets").mkdir(parents=True)
    for number in range(sheets):
        sheet = np.full((24, 32, 3), 40 * number, np.uint8)
        cv2.imwrite(str(folder / "sheets" / f"{number:07d}.png"), sheet)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "log.jsonl").write_text(text + ('{"step": 50, "los' if torn else ""))
    return folder


@pytest.mark.parametrize("torn", [False, True])
def test_history_is_what_was_logged(tmp_path: Path, torn: bool) -> None:
    history = plots.read_history(write_run(tmp_path / "run", torn=torn))
    assert history.terms["style"] == ([10, 20, 30, 40], [0.2, 0.1, 2 / 30, 0.05])
    assert history.validation["psnr"] == ([10, 20, 30, 40], [21, 22, 23, 24])
    assert history.shares == {"l1": ([1], [0.75]), "style": ([1], [0.25])}
    assert history.rates["lr"][1] == [1e-3] * 4
    assert history.skipped == 1


def test_curves_hold_the_logged_values(tmp_path: Path) -> None:
    figure = plots.draw_curves(plots.read_history(write_run(tmp_path / "run")))
    error, _, terms, _, _, shares = figure.axes
    network, plain = error.lines
    np.testing.assert_allclose(network.get_ydata(), [0.19, 0.18, 0.17, 0.16])
    np.testing.assert_allclose(plain.get_ydata(), [0.18] * 4)
    assert [line.get_label() for line in terms.lines] == ["l1", "style"]
    assert sorted(bar.get_width() for bar in shares.patches) == [25, 75]


def test_negative_terms_and_lpips_are_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with (run / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": 50, "losses": {"adversarial": -0.5}}) + "\n")
        log.write(json.dumps({"step": 50, "validation": {"lpips": 0.25}}) + "\n")
    figure = plots.draw_curves(plots.read_history(run))
    terms = figure.axes[2]
    assert terms.get_ylim()[0] < -0.5
    assert figure.axes[-1].lines[0].get_ydata() == [0.25]


def test_a_picture_of_a_run(tmp_path: Path) -> None:
    out = plots.plot(write_run(tmp_path / "run"), out=tmp_path / "run.png")
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape[:2] == (1500, 1200)
    assert picture.std() > 10
    blank = write_run(tmp_path / "no-sheets", sheets=0)
    without = cv2.imread(str(plots.plot(blank, out=tmp_path / "without.png")))
    assert without is not None
    assert without.shape[:2] == (700, 1200)


def test_a_page_stands_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "<run>")
    out = plots.plot(run)
    assert out == run / "plot.html"
    page = out.read_text("utf-8")
    assert "<h1>&lt;run&gt;</h1>" in page
    assert page.count("<svg") == 1
    sources = re.findall(r'src="([^"]{0,22})', page)
    assert sources == ["data:image/png;base64,"] * 4
    shown = re.findall(r"<h2>step (\d+)", page)
    assert shown == ["0", "2", "3", "5"]
    assert "0.16<td>40" in page


def test_one_sheet_is_shown_once(tmp_path: Path) -> None:
    page = plots.plot(write_run(tmp_path / "run", sheets=1)).read_text("utf-8")
    assert page.count("<img") == 1


def test_mistakes_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no log\.jsonl"):
        plots.plot(tmp_path)
    run = write_run(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"no \.png or \.html"):
        plots.plot(run, out=tmp_path / "run.pdf")
    with pytest.raises(TrainingError, match="cannot be written"):
        plots.plot(run, out=tmp_path / "nowhere" / "run.png")
    (run / "log.jsonl").write_text("")
    with pytest.raises(TrainingError, match="has logged no step yet"):
        plots.plot(run)


def test_several_runs_lie_over_each_other(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in ("one", "two", "three")]
    histories = {run.name: plots.read_history(run) for run in runs}
    error, _, lpips, norms = plots.draw_comparison(histories).axes
    for axes in (error, norms):
        assert [line.get_label() for line in axes.lines] == ["one", "two", "three"]
    np.testing.assert_allclose(error.lines[2].get_ydata(), [0.19, 0.18, 0.17, 0.16])
    assert not lpips.lines  # not measured
    page = plots.plot(*runs)
    assert page == runs[0] / "compare.html"
    assert all(f"/{run.name}" in page.read_text("utf-8") for run in runs)
    assert cv2.imread(str(plots.plot(*runs, out=tmp_path / "all.png"))) is not None
