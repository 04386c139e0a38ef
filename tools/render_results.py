"""Render a published comparison from its results: tables, plots by bucket, and the page.

    python tools/render_results.py own-512
    python tools/render_results.py examples-512 --pictures FOLDER --sheet duck,bridge

NAME is a folder of results in results/evaluation. It gets METRIC.svg, NAME.md and NAME.html beside
it,
and with --sheet NAME.webp. Pictures are shown from the FOLDER of the evaluation that made them;
without one the page holds numbers and plots alone.
"""

import argparse
from pathlib import Path

from mendpix.evaluation import report
from mendpix.evaluation.results import Results

RESULTS = Path(__file__).parents[1] / "results" / "evaluation"
BUDGET = 2_000_000  # bytes of the pictures in a page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--pictures", type=Path, help="folder of the evaluation that made them")
    parser.add_argument("--sheet", default="", help="names of pictures, with commas")
    given = parser.parse_args()
    results = Results.read(RESULTS / given.name)
    report.figures(results, RESULTS / given.name)
    shown = report.Options(pictures=1 if given.pictures else 0, budget=BUDGET, figures=given.name)
    for suffix in (".md", ".html"):
        print(
            report.write(
                results, given.pictures or RESULTS, RESULTS / f"{given.name}{suffix}", shown
            )
        )
    if given.pictures and given.sheet:
        out, names = RESULTS / f"{given.name}.webp", given.sheet.split(",")
        print(report.sheet(given.pictures, out, names, list(results.models)))
        with (RESULTS / f"{given.name}.md").open("a", encoding="utf-8") as page:
            page.write(f"\n## Pictures\n\n![Inputs, fills and truths]({out.name})\n")


if __name__ == "__main__":
    main()
