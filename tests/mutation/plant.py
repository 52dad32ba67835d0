"""Faults to plant in gradient code: one small change of a function each.

A mutant is a changed copy of one function's syntax tree. Nothing is written to a file: the code of
the living function is exchanged, which reaches every reference to it.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutation.operators import Change, changes, name_of

SOURCE = Path(__file__).resolve().parents[2] / "src" / "pullback"
FILES = (
    "maps/linear.py", "maps/elementwise.py", "maps/softmax.py", "maps/norm.py", "maps/dropout.py",
    "maps/shape.py", "maps/combine.py", "maps/augment.py", "maps/affine.py", "maps/erasing.py",
    "maps/embedding.py", "maps/positions.py", "maps/recurrent.py", "maps/gated.py",
    "maps/attention.py", "maps/dot_product.py", "maps/product.py", "maps/memory.py",
    "maps/padded.py", "maps/steps.py", "core/scatter.py",
    "losses/base.py", "losses/classification.py", "losses/regression.py", "engine/dense.py",
    "engine/losses.py", "engine/lower.py", "core/contraction.py", "core/stable.py",
    "core/theta.py", "core/compose.py", "core/lift.py",
)  # fmt: skip
NO_GRADIENT = {
    "spec", "params", "state", "children", "with_children", "from_fields", "inputs", "examples",
    "multiply_adds", "summands", "check_children", "named_children", "checked_spec", "rebuild",
    "lift", "copy", "built_in_equations", "lowers",
    "_init_wanted_after", "_check_eps", "_check_sizes", "_need_logits", "_parsed", "_once",
    "_explain_misfit", "check_images", "check_probability", "check_sizes", "check_steps",
    "bias_init", "bidirectional", "_pair",
}  # fmt: skip
"""What declares, describes or refuses. Special methods and properties are left out too; every other
function of the files is planted in, so that a new one cannot be forgotten."""

ARRAYS = {
    "x", "y", "gy", "gx", "dx", "dy", "v", "h", "res", "delta", "slope", "g", "target", "e", "low",
    "high", "s", "product", "u", "mean", "centred", "rest", "variance", "sigma", "error", "q",
    "log_p", "log_q", "wrong", "size", "t", "values", "z", "total",
}  # fmt: skip
"""Names of arrays, which may be confused with each other."""
ONLY_A_SHAPE = {"namespace", "zeros_like", "ones_like", "outputs", "shape", "ndim", "dtype"}


@dataclass(frozen=True)
class Mutant:
    """One planted fault: where, what kind, and the line before and after."""

    file: str
    function: str
    line: int
    operator: str
    before: str
    after: str
    tree: ast.FunctionDef
    nth: int = 0

    @property
    def what(self) -> str:
        """The fault without its line, which moves; counted where the same text is there again."""
        again = f" ({self.nth + 1})" if self.nth else ""
        return f"{self.function} [{self.operator}] {self.before}  ->  {self.after}{again}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}"

    def install(self) -> None:
        """Exchange the code of the living function."""
        module = importlib.import_module(
            "pullback." + self.file.removesuffix(".py").replace("/", ".")
        )
        owner: Any = module
        *outer, name = self.function.split(".")
        for part in outer:
            owner = getattr(owner, part)
        live = inspect.unwrap(owner.__dict__[name])
        names: dict[str, Any] = dict(module.__dict__)
        tree = ast.fix_missing_locations(ast.Module([copy.deepcopy(self.tree)], []))
        exec(compile(tree, self.file, "exec"), names)
        live.__code__ = names[name].__code__


def mutants() -> list[Mutant]:
    """Return every fault, in the order of the files."""
    return [
        mutant
        for file in FILES
        for function, tree in functions(file)
        for mutant in _of_function(file, function, tree)
    ]


def functions(file: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the functions of a file that are planted in, by their name within it."""
    for node in ast.parse((SOURCE / file).read_text("utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for inner in inside:
            if isinstance(inner, ast.FunctionDef) and _planted_in(inner):
                yield prefix + inner.name, inner


def _planted_in(tree: ast.FunctionDef) -> bool:
    # a decorated function is a property or the like; one with `super` needs its class
    special = tree.name.startswith("__") or tree.decorator_list
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return (
        tree.name not in NO_GRADIENT
        and not special
        and not any(name_of(call.func) == "super" for call in calls)
    )


def _of_function(file: str, function: str, tree: ast.FunctionDef) -> Iterator[Mutant]:
    seen, texts = {ast.dump(tree)}, Counter()
    for position, node in enumerate(_nodes(tree)):
        for operator, change in changes(node, _arrays_before(node, tree)):
            changed = _changed(tree, position, change)
            dump = ast.dump(changed)
            if dump in seen:
                continue
            seen.add(dump)
            line, *text = _difference(tree, changed, node)
            nth = texts[operator, *text]
            texts[operator, *text] += 1
            yield Mutant(file, function, line, operator, *text, changed, nth)


def _changed(tree: ast.FunctionDef, position: int, change: Change) -> ast.FunctionDef:
    changed = copy.deepcopy(tree)
    change(_nodes(changed)[position], changed)
    return changed


def _arrays_before(node: ast.AST, tree: ast.FunctionDef) -> tuple[str, ...]:
    """Return the arrays that are named before the line of ``node``, the last of them first."""
    line = getattr(node, "lineno", 0)
    names = [argument.arg for argument in tree.args.args]
    names += [
        other.id
        for other in ast.walk(tree)
        if isinstance(other, ast.Name) and isinstance(other.ctx, ast.Store) and other.lineno < line
    ]
    return tuple(name for name in reversed(dict.fromkeys(names)) if name in ARRAYS)


def _nodes(tree: ast.FunctionDef) -> list[ast.AST]:
    """The nodes of the body that compute: no annotations, texts, or refusals of wrong input."""
    found: list[ast.AST] = []

    def visit(node: ast.AST) -> None:
        refuses = isinstance(node, ast.If) and any(isinstance(n, ast.Raise) for n in node.body)
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if refuses or text or isinstance(node, ast.Raise):
            return
        found.append(node)
        for child in ast.iter_child_nodes(node):
            annotation = isinstance(node, ast.AnnAssign) and child is node.annotation
            speed = isinstance(child, ast.keyword) and child.arg == "optimize"
            place = isinstance(child, ast.Name) and _is_a_place(node, child)
            if not annotation and not speed and not place:
                visit(child)

    for statement in tree.body:
        visit(statement)
    return found


def _is_a_place(node: ast.AST, child: ast.Name) -> bool:
    """Whether a name stands for the shape or the kind of its array, or for a dictionary."""
    if isinstance(node, ast.Attribute):
        return node.attr in ONLY_A_SHAPE
    if isinstance(node, ast.Call):
        return name_of(node.func) in ONLY_A_SHAPE
    return (
        isinstance(node, ast.Subscript)
        and child is node.value
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    )


def _difference(before: ast.AST, after: ast.AST, node: ast.AST) -> tuple[int, str, str]:
    old, new = ast.unparse(before).splitlines(), ast.unparse(after).splitlines()
    line = getattr(node, "lineno", before.lineno)
    for a, b in zip(old, new, strict=False):
        if a != b:
            return line, a.strip(), b.strip()
    return line, old[-1].strip(), new[-1].strip()
