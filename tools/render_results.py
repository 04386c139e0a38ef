"""Render a published comparison from its results: tables, plots by bucket, and the page.

    python tools/render_results.py own-512
    python tools/render_results.py examples-512 --pictures FOLDER --sheet duck,bridge

NAME is a folder of results in results/evaluation. It gets METRIC.svg, NAME.md and NAME.html beside
it, and with --sheet NAME.webp. Pictures are shown from the FOLDER of the evaluation that made them;
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
    options = parser.parse_args()
    results = Results.read(RESULTS / options.name)
    report.write_figures(results, RESULTS / options.name)
    pictures = options.pictures or RESULTS
    content = report.ReportOptions(
        pictures=1 if options.pictures else 0, budget=BUDGET, figures=options.name
    )
    for suffix in (".md", ".html"):
        print(report.write(results, pictures, RESULTS / f"{options.name}{suffix}", content))
    if options.pictures and options.sheet:
        out, names = RESULTS / f"{options.name}.webp", options.sheet.split(",")
        print(report.write_sheet(options.pictures, out, names, list(results.models)))
        with (RESULTS / f"{options.name}.md").open("a", encoding="utf-8") as page:
            page.write(f"\n## Pictures\n\n![Inputs, fills and truths]({out.name})\n")


if __name__ == "__main__":
    main()
