"""A walk as one page that needs nothing else."""

from __future__ import annotations

from html import escape

from pullback.train.html import paragraph, table
from pullback.train.walk import Section, Walk
from pullback.train.walk_text import heading, sum_cells, tensor_cells

TEXT = {
    "title": "One training step",
    "tensors": ("tensor", "shape", "numbers"),
    "sums": ("entry", "its terms", "in numbers", "sum"),
}
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
section { border-left: .3rem solid; padding: .1rem 1rem; margin: 1rem 0; overflow-x: auto; }
section.given { border-color: #888; } section.forward { border-color: #1f77b4; }
section.error { border-color: #d62728; } section.backward { border-color: #ff7f0e; }
section.update { border-color: #2ca02c; }
h2 { font-size: 1.05rem; margin: .4rem 0; }
.formula { font-family: serif; font-size: 1.1rem; margin: .2rem 0; }
table { border-collapse: collapse; margin: .5rem 0; }
th { text-align: left; font-weight: normal; opacity: .7; }
th, td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
td { font-family: ui-monospace, monospace; font-size: .85rem; white-space: pre-wrap; }
td:nth-child(2) { min-width: 6.5rem; }
"""


def as_html(walk: Walk) -> str:
    """Return the page."""
    remarks = "".join(map(paragraph, walk.remarks))
    body = "\n".join(_section(section) for section in walk.sections)
    title = TEXT["title"]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>{remarks}\n{body}\n</body></html>\n"
    )


def _section(section: Section) -> str:
    formulas = "".join(f'<p class="formula">{escape(line)}</p>' for line in section.formulas)
    tables = table(TEXT["tensors"], [tensor_cells(values) for values in section.values])
    if section.sums:
        tables += table(TEXT["sums"], [sum_cells(entry) for entry in section.sums])
    title = escape(heading(section))
    return f'<section class="{section.kind}"><h2>{title}</h2>{formulas}{tables}</section>'
