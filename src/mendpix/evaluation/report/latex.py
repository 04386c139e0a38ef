"""Tables as LaTeX rows, for a paper that loads booktabs."""

from collections.abc import Sequence

from mendpix.evaluation.report import markdown
from mendpix.evaluation.report.description import facts, remarks
from mendpix.evaluation.report.summary import Summary
from mendpix.evaluation.report.tables import MARKING, Cell, Table

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


def report(summary: Summary) -> str:
    """Each table as a tabular of its own, with comments that say what it shows."""
    head = [facts(summary).title, facts(summary).line, *remarks(summary), MARKING]
    legend = "Bold: the first mark; underlined: the second. Needs \\usepackage{booktabs}."
    comments = [_comment(line) for line in [*head, legend]]
    return "\n".join([*comments, "", *map(table, markdown.every(summary))])


def table(content: Table) -> str:
    """A tabular with booktabs' rules."""
    lines = [_comment(content.title), *map(_comment, content.notes)]
    lines.append(r"\begin{tabular}{l" + "r" * (len(content.header) - 1) + "}")
    lines += [r"\toprule", _row(content.header), r"\midrule", *map(_row, content.rows)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _row(cells: Sequence[Cell]) -> str:
    return " & ".join(map(_cell, cells)) + r" \\"


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    text = {"best": rf"\textbf{{{text}}}", "near": rf"\underline{{{text}}}", "": text}[cell.mark]
    small = " ".join(escaped(part) for part in (cell.small, cell.verdict) if part)
    return text + (rf" {{\scriptsize {small}}}" if small else "")


def escaped(text: str) -> str:
    """Text without anything that LaTeX would obey."""
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))


def _comment(text: str) -> str:
    return "% " + " ".join(text.split())
