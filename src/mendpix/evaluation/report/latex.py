"""Tables as LaTeX rows, for a paper that loads booktabs."""

from collections.abc import Sequence

from mendpix.evaluation.report import tables
from mendpix.evaluation.report.description import list_remarks, write_headline
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.report.tables import MARKING, ReportTable, TableCell

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # a row that begins with a bracket would be read as a length
    "]": "{]}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "−": "$-$",
    "–": "--",
    "∞": r"$\infty$",
    "×": r"$\times$",
}


def render(summary: Summary) -> str:
    """Each table as a tabular of its own, with comments that say what it shows."""
    headline = write_headline(summary)
    head = [headline.title, headline.line, *list_remarks(summary), MARKING]
    legend = "Bold: the first mark; underlined: the second. Needs \\usepackage{booktabs}."
    comments = [_comment(line) for line in [*head, legend]]
    return "\n".join([*comments, "", *map(render_table, tables.tabulate_all(summary))])


def render_table(content: ReportTable) -> str:
    """A tabular with booktabs' rules."""
    lines = [_comment(content.title), *map(_comment, content.notes)]
    lines.append(r"\begin{tabular}{l" + "r" * (len(content.header) - 1) + "}")
    lines += [r"\toprule", _row(content.header), r"\midrule", *map(_row, content.rows)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _row(cells: Sequence[TableCell]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(cell: TableCell) -> str:
    text = escape(cell.text)
    text = {"best": rf"\textbf{{{text}}}", "near": rf"\underline{{{text}}}", "": text}[cell.mark]
    small = " ".join(escape(part) for part in (cell.small, cell.verdict) if part)
    return text + (rf" {{\scriptsize {small}}}" if small else "")


def escape(text: str) -> str:
    """Text on one line with LaTeX's special characters escaped."""
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))


def _comment(text: str) -> str:
    return "% " + " ".join(text.split())
