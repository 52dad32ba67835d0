"""A walk as one page that needs nothing else."""

from __future__ import annotations

from html import escape

from pullback.train.walk import Section, Walk
from pullback.train.walk_text import heading, sum_line, tensor_lines

TITLE = "One training step"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
section { border-left: .3rem solid; padding: .1rem 1rem; margin: 1rem 0; }
section.given { border-color: #888; } section.forward { border-color: #1f77b4; }
section.error { border-color: #d62728; } section.backward { border-color: #ff7f0e; }
section.update { border-color: #2ca02c; }
h2 { font-size: 1.05rem; margin: .4rem 0; }
.formula { font-family: serif; font-size: 1.1rem; margin: .2rem 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }
"""


def as_html(walk: Walk) -> str:
    """Return the page."""
    body = "\n".join(_section(section) for section in walk.sections)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>{TITLE}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{TITLE}</h1>\n{body}\n</body></html>\n"
    )


def _section(section: Section) -> str:
    formulas = "".join(f'<p class="formula">{escape(line)}</p>' for line in section.formulas)
    lines = [line for values in section.values for line in tensor_lines(values)]
    lines += [sum_line(entry) for entry in section.sums]
    text = escape("\n".join(lines))
    return (
        f'<section class="{section.kind}"><h2>{escape(heading(section))}</h2>'
        f"{formulas}<pre>{text}</pre></section>"
    )
