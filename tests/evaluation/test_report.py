"""The report of an evaluation: known answers in its tables, names escaped, one whole page."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from mendpix.errors import MendError, PictureError
from mendpix.evaluation import report
from mendpix.evaluation.report import gallery, latex, markdown, page, svg, tables
from mendpix.evaluation.report.description import format_setting
from mendpix.evaluation.report.rendering import is_web_address, read_asset
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.results import Cost, MetricRow, Results, Sample, SetMetricRow, picture_file

NASTY = '<script>alert("1")</script>&\'_%$#{}\\'
LOW, HIGH = "(0.01,0.1]", "(0.1,0.2]"
METRICS = {
    "psnr": {"label": "PSNR", "unit": "dB", "better": "higher", "digits": 2, "set": False},
    "lpips": {"label": "LPIPS", "unit": "", "better": "lower", "digits": 3, "set": False},
    "fid": {"label": "FID", "unit": "", "better": "lower", "digits": 1, "set": True},
    "kid": {"label": "KID", "unit": "", "better": "lower", "digits": 4, "set": True},
}


def example_results(models: tuple[str, ...] = ("good", "twin", "bad"), extra: str = "") -> Results:
    """Eight pictures in each of two buckets: good and twin differ by noise, bad is far behind."""
    samples = [
        Sample(f"{extra}p{n:02}", f"/home/me/p{n}.png", f"m{n}.png", 0.05 if n < 8 else 0.15,
             LOW if n < 8 else HIGH, source=f"{extra}album", licence="CC0")
        for n in range(16)
    ]  # fmt: skip
    rows = []
    for n, sample in enumerate(samples):
        wobble = 0.25 if n % 2 else -0.25
        for model, psnr, lpips in zip(
            models, (30 + n + wobble, 30 + n, 20 + n), (0.1, 0.2, 0.3), strict=True
        ):
            rows += [
                MetricRow(sample.name, model, "psnr", psnr),
                MetricRow(sample.name, model, "lpips", lpips),
            ]
    return Results(
        protocol={"name": f"own{extra}", "size": 512, "kinds": [{"label": "thin"}]},
        metrics=METRICS,
        models={m: {"kind": "filler", "spec": f"/home/me/{m}.onnx", "card": {}} for m in models},
        pictures=samples,
        rows=rows,
        sets=[SetMetricRow(m, k, "all", 9.25, 16) for k in ("fid", "kid") for m in models],
        costs=[Cost(s.name, m, 0.5, 12.0) for s in samples for m in models],
        versions={"mendpix": "0.1.0"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results' pictures: a grey truth, and fills that miss it by 16 levels in the hole."""
    results = example_results()
    for place, sample in enumerate(results.pictures):
        rows, columns = np.indices((24, 32))
        truth = np.repeat((40 + 5 * place + 2 * rows + columns)[..., None], 3, 2).astype(np.uint8)
        hole = np.zeros((24, 32), np.uint8)
        hole[6:12, 8:20] = 255
        fill = np.where(hole[..., None] > 0, truth + np.uint8(16), truth)
        named = {"truth": truth, "hole": hole, **dict.fromkeys(results.models, fill)}
        for name, levels in named.items():
            file = picture_file(tmp_path, name, sample.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(levels).save(file)
    return tmp_path


def html(results: Results, folder: Path, **options: object) -> str:
    out = report.write(results, folder, folder / "out.html", report.ReportOptions(**options))  # type: ignore[arg-type]
    return out.read_text("utf-8")


class Page(HTMLParser):
    """Elements with their attributes, and whether each was closed."""

    VOID = frozenset(["meta", "img", "input", "br"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_means_and_intervals_stand_in_the_table() -> None:
    whole = tables.tabulate_overall(Summary(example_results()))
    assert [cell.text for cell in whole.header] == ["model", "PSNR (dB) ↑", "LPIPS ↓"]
    bad = next(row for row in whole.rows if row[0].text == "bad")
    assert bad[1].text == "27.50"  # the mean of 20 to 35
    assert bad[2].text == "0.300"
    assert bad[2].small == "[0.300, 0.300]"
    low, high = (float(edge) for edge in bad[1].small.strip("[]").split(", "))
    assert low < 27.5 < high


def test_best_is_marked_only_where_the_data_supports_it() -> None:
    summary = Summary(example_results())
    psnr, lpips = summary.metrics
    assert summary.mark_best(lpips) == {"good": "best", "twin": "", "bad": ""}
    assert summary.mark_best(psnr) == {"good": "near", "twin": "near", "bad": ""}
    findings = {metric.name: text for metric, text in tables.list_findings(summary)}
    assert findings["lpips"] == "good is best, and the data supports it against every other model."
    assert "does not tell which of them is best" in findings["psnr"]


def test_few_pictures_support_nothing() -> None:
    results = example_results()
    few = {sample.name for sample in results.pictures[:4]}
    small = replace(
        results,
        pictures=results.pictures[:4],
        rows=[row for row in results.rows if row.picture in few],
    )
    summary = Summary(small)
    assert set(summary.mark_best(summary.metrics[1]).values()) == {""}
    table = tables.tabulate_comparisons(summary, summary.metrics[1])
    assert table.rows[0][1].verdict == "not supported by 4 pictures"


def test_claims_name_the_winner_first_and_its_lead() -> None:
    table = tables.tabulate_comparisons(
        Summary(example_results()), Summary(example_results()).metrics[1]
    )
    first = table.rows[0]
    assert first[0].text == "good beats twin"
    assert first[1].text == "0.100"
    assert (first[1].small, first[1].verdict) == ("[0.100, 0.100]", "supported")
    assert [cell.text for cell in table.header] == [
        "A beats B",
        "all pictures",
        "1–10 %",
        "10–20 %",
    ]


def test_columns_count_their_pictures_and_missing_ones_are_said() -> None:
    results = example_results()
    summary = Summary(replace(results, rows=results.rows[6:]))  # the first picture is missing
    table = tables.tabulate_buckets(summary, summary.metrics[0])
    assert [cell.small for cell in table.header] == ["", "n = 8", "n = 8", "n = 16"]
    assert all(row[1].small.endswith("1 missing") and row[1].warned for row in table.rows)


def test_whole_sets_bear_their_count_and_a_warning_that_kid_does_not_need() -> None:
    fid, kid = tables.tabulate_sets(Summary(example_results()))
    assert (fid.rows[0][1].text, fid.rows[0][1].small, fid.rows[0][1].warned) == (
        "9.2", "n = 16", True)  # fmt: skip
    assert not kid.rows[0][1].warned
    assert "2,048" in kid.notes[0]


def test_values_without_an_end_or_a_number_are_written() -> None:
    psnr = Summary(example_results()).metrics[0]
    texts = [psnr.format_value(value) for value in (float("inf"), float("nan"), -1.234, -0.001)]
    assert texts == ["∞", "–", "−1.23", "0.00"]


def test_infinite_and_lacking_values_are_drawn_and_told(folder: Path) -> None:
    results = example_results()
    rows = [replace(row, value=float("inf")) if row.model == "bad" else row for row in results.rows]
    text = html(replace(results, rows=rows), folder)
    assert "∞" in text
    assert "nan" not in re.sub(r"base64,[^\"]*|<style>.*?</style>", "", text, flags=re.S)


@pytest.mark.parametrize("bucket, shown", [
    ("(0.01,0.1]", "1–10 %"), ("(0.1,0.2] no border", "10–20 %, no border"),
    ("thick", "thick"), ("all", "all pictures"),
])  # fmt: skip
def test_buckets_are_shares_in_percent(bucket: str, shown: str) -> None:
    assert tables.bucket_label(bucket) == shown


def test_markdown_tables_are_rectangles() -> None:
    text = markdown.render(Summary(example_results(("a|b", "`c`", "[d](e)"))))
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert len(blocks) == 8  # overall, two by bucket, two of claims, two of sets, costs
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1
    assert r"a\|b" in text and r"[d\](e)" in text


def test_latex_is_balanced_and_escaped() -> None:
    text = latex.render(Summary(example_results((NASTY, "b", "c"))))
    lines = [line for line in text.splitlines() if line and not line.startswith("%")]
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 8
    body = re.sub(r"\\[{}%&#$_\\]", "", "\n".join(lines))
    assert body.count("{") == body.count("}")
    assert body.count("$") % 2 == 0 and "#" not in body and "%" not in body
    width = 0
    for line in lines:
        if found := re.fullmatch(r"\\begin\{tabular\}\{(l(?:r*))\}", line):
            width = len(found[1])
        elif line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == width - 1
    assert r"\textbf{0.100}" in text and r"\underline{" in text
    assert "<" not in "".join(lines)


def test_the_page_escapes_every_name(folder: Path) -> None:
    results = example_results((NASTY, "b", "c"), extra=NASTY)
    hostile = replace(results, remarks=[NASTY], versions={NASTY: NASTY})
    text = html(hostile, folder)
    assert text.count("<script>") == 1 and "<script>alert" not in text
    parsed = Page(text)
    assert not parsed.open
    assert not any(name.startswith("on") for _, held in parsed.found for name in held)


def test_the_page_stands_alone(folder: Path) -> None:
    results = example_results()
    card = {"source": "https://example.org/weights", "trap": "javascript:alert(1)"}
    results.models["good"]["card"] = card
    text = html(results, folder)
    parsed = Page(text)
    for name, held in parsed.found:
        assert name not in ("link", "iframe", "object", "embed", "base")
        assert (held.get("src") or "data:").startswith("data:")
        if name == "a":
            assert (held["href"] or "").startswith(("#", "https://example.org/"))
    assert "@import" not in text and "url(" not in text
    assert any(held.get("href") == "https://example.org/weights" for held in parsed.all("a"))
    policy = parsed.all("meta")[1]["content"]
    assert policy == page.content_policy(read_asset("page.js")) and "default-src 'none'" in policy


def test_the_page_tells_no_path(folder: Path) -> None:
    text = html(example_results(), folder)
    assert "/home" not in text and str(folder) not in text
    assert "good.onnx" in text


def test_pictures_are_the_best_the_median_and_the_worst() -> None:
    summary = Summary(example_results())
    chosen = gallery.choose_pictures(summary, summary.metrics[0], 3)
    assert [(c.sample.name, c.standing) for c in chosen[:3]] == [
        ("p07", "best of 8"), ("p04", "median of 8"), ("p00", "worst of 8")]  # fmt: skip
    assert [c.bucket for c in chosen] == [LOW] * 3 + [HIGH] * 3


@pytest.mark.parametrize("length, count, places", [
    (12, 3, [0, 5, 11]), (12, 1, [5]), (12, 2, [0, 11]), (1, 3, [0]), (0, 3, []), (2, 3, [0, 1]),
])  # fmt: skip
def test_ranks_are_spread_from_end_to_end(length: int, count: int, places: list[int]) -> None:
    assert gallery.spread_ranks(length, count) == places


def test_pictures_show_hole_and_difference() -> None:
    truth = np.full((16, 16, 3), 100, np.uint8)
    hole = np.zeros((16, 16), bool)
    hole[4:8, 4:8] = True
    fill = truth.copy()
    fill[4:8, 4:8] = 110
    given = gallery.hatch_hole(truth, hole)
    assert (given[~hole] == 100).all() and not (given[hole] == 100).all(-1).any()
    shown = gallery.draw_difference(fill, truth, hole)
    assert (shown[hole] == gallery.heat_colours()[10 * gallery.GAIN]).all()
    assert (shown[~hole] == 30).all()  # dimmed


def test_embedded_pictures_are_what_they_say(folder: Path) -> None:
    parsed = Page(html(example_results(), folder, pictures=1))
    tiles = [held for held in parsed.all("img") if held.get("src")]
    assert len(tiles) == 2 * (2 + 3 * 2)  # buckets, each: input, truth; models: fill, difference
    assert all(held["alt"] for held in tiles)
    truth = next(held for held in tiles if (held["alt"] or "").endswith("p03, truth"))
    data = base64.b64decode((truth["src"] or "").split(",")[1])
    with (
        Image.open(io.BytesIO(data)) as opened,
        Image.open(picture_file(folder, "truth", "p03")) as own,
    ):
        gap = np.abs(np.asarray(opened.convert("RGB"), float) - np.asarray(own, float))
    assert gap.mean() < 2


def test_a_small_budget_makes_pictures_smaller_then_fewer(folder: Path) -> None:
    whole = html(example_results(), folder, pictures=3)
    tight = html(example_results(), folder, pictures=3, budget=60_000)
    embedded = sum(len(held["src"] or "") for held in Page(tight).all("img") if held.get("src"))
    assert 0 < embedded <= 60_000 < len(whole)
    none = html(example_results(), folder, pictures=3, budget=100)
    assert 'id="pictures"' not in none and 'id="measures"' in none


def test_without_pictures_the_numbers_remain(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for text in (
        html(example_results(), folder, pictures=0),
        html(example_results(), tmp_path / "bare"),
    ):
        assert 'id="measures"' in text and 'id="pictures"' not in text


def test_markdown_links_to_the_plots_it_is_told_of(tmp_path: Path) -> None:
    results = example_results()
    files = report.write_figures(results, tmp_path / "plots")
    out = report.write(results, tmp_path, tmp_path / "r.md", report.ReportOptions(figures="plots"))
    linked = re.findall(r"!\[.*?\]\((.*?)\)", out.read_text("utf-8"))
    assert [tmp_path / name for name in linked] == files


def test_a_damaged_picture_is_told(folder: Path) -> None:
    picture_file(folder, "good", "p03").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"p03\.png cannot be shown"):
        html(example_results(), folder, pictures=1)


def test_suffixes_choose_what_is_written(tmp_path: Path) -> None:
    results = example_results()
    files = {s: report.write(results, tmp_path, tmp_path / "new" / f"r{s}") for s in (
        ".json", ".csv", ".md", ".tex")}  # fmt: skip
    assert json.loads(files[".json"].read_text("utf-8"))["protocol"]["name"] == "own"
    assert files[".csv"].read_text("utf-8") == results.as_csv()
    assert (
        files[".md"].read_text("utf-8").startswith("# Evaluation with protocol own, 512 pixels\n")
    )
    assert r"\toprule" in files[".tex"].read_text("utf-8")


@pytest.mark.parametrize("name, options, words", [
    ("r.pdf", {}, r"a report is no \.pdf; \.html, \.md"),
    ("r.html", {"by": "fid"}, "ranked by 'fid'; by psnr, lpips"),
    ("r.html", {"pictures": -1}, "cannot show -1 pictures"),
])  # fmt: skip
def test_mistakes_are_told(
    tmp_path: Path, name: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(MendError, match=words):
        report.write(example_results(), tmp_path, tmp_path / name, report.ReportOptions(**options))  # type: ignore[arg-type]


def test_the_terminal_shows_what_the_tables_say() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report.render_terminal(example_results()))
    text = console.export_text()
    assert re.search(r"bad +27\.50 +0\.300", text)
    assert "● 0.100" in text and "n = 16 ⚠" in text
    assert "LPIPS: good is best" in text
    assert max(map(len, text.splitlines())) <= 80


def test_one_model_alone_and_no_bucket(folder: Path) -> None:
    results = example_results()
    alone = replace(
        results,
        models={"bad": results.models["bad"]},
        rows=[row for row in results.rows if row.model == "bad"],
        pictures=[replace(sample, bucket="") for sample in results.pictures],
        sets=[],
        costs=[],
    )
    text = html(alone, folder)
    assert 'class="claims"' not in text and 'id="costs"' not in text and 'id="sets"' not in text
    assert "only" not in markdown.render(Summary(alone))


def test_drawn_text_is_escaped() -> None:
    label = svg.draw_label(1.25, 2, '"<', "a&b")
    assert label == (
        '<text x="1.25" y="2" text-anchor="middle" class="a&amp;b">&#34;&lt;</text>')  # fmt: skip
    assert svg.join_markup([label, "<"]) == f"{label}&lt;"


@pytest.mark.parametrize("address, is_link", [
    ("https://example.org/a", True), ("HTTP://example.org", True), ("#main", True),
    ("javascript:alert(1)", False), ("data:text/html,x", False), ("//example.org", False),
    ("https://example.org and more", False),
])  # fmt: skip
def test_links_lead_to_web_pages_only(address: str, is_link: bool) -> None:
    assert is_web_address(address) == is_link


def test_without_jinja_the_page_names_the_extra_and_markdown_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MendError, match=r"HTML report needs Jinja2.*mendpix\[train\]"):
        report.write(example_results(), tmp_path, tmp_path / "r.html")
    assert report.write(example_results(), tmp_path, tmp_path / "r.md").is_file()


def test_paths_lose_all_but_their_name() -> None:
    paths = ("/home/me/a.onnx", "C:\\Users\\me\\a.onnx", "~/a.onnx", "../a.onnx")
    assert {format_setting(path) for path in paths} == {"a.onnx"}
    assert format_setting("CC BY 4.0 / attribution") == "CC BY 4.0 / attribution"


@pytest.mark.parametrize("rough, step", [(0.9, 1), (1.1, 2), (2.2, 2.5), (0.03, 0.05), (7, 10)])
def test_ticks_are_round(rough: float, step: float) -> None:
    assert svg.round_step(rough) == pytest.approx(step)
    axis = svg.Axis(0, 10 * step, 0, 100)
    assert axis.at(5 * step) == pytest.approx(50)
    assert axis.at(float("inf")) == 100


def test_figures_are_files_of_their_own(tmp_path: Path) -> None:
    results = example_results()
    files = report.write_figures(results, tmp_path / "plots")
    assert [file.name for file in files] == ["psnr.svg", "lpips.svg"]
    text = files[0].read_text("utf-8")
    parsed = Page(text)
    assert not parsed.open and parsed.found[0][1]["xmlns"] == "http://www.w3.org/2000/svg"
    assert all(f">{model}</text>" in text for model in results.models)
    assert len(parsed.all("polygon")) + len(parsed.all("circle")) == 3 * (3 + 1)  # and a legend


def test_a_sheet_shows_input_fills_and_truth(folder: Path) -> None:
    out = report.write_sheet(
        folder, folder / "new" / "s.png", ["p00", "p09"], ["good", "bad"], side=32
    )
    with Image.open(out) as opened:
        levels = np.asarray(opened.convert("RGB"))
    assert levels.shape[1] == 4 * (32 + 6) + 6
    truth = np.asarray(Image.open(picture_file(folder, "truth", "p00")).convert("RGB"))
    assert (levels[26:50, -38:-6] == truth).all()
    assert not (levels[26:50, 6:38] == truth).all()
    with pytest.raises(MendError, match="no picture p99 of truth"):
        report.write_sheet(folder, out, ["p99"], ["good"])


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_a_real_browser_runs_the_page(folder: Path, tmp_path: Path) -> None:
    html(example_results(), folder)
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000")  # fmt: skip
    ran = subprocess.run(
        ["chromium", *flags, "--dump-dom", (folder / "out.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert 'class="live"' in ran.stdout  # its policy lets the page's own script run
    assert "50 % input, the rest " in ran.stdout  # a slider speaks
