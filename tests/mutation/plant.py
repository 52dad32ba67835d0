"""Faults to plant in gradient code: one small change of a function each.

A mutant is a changed copy of one function's syntax tree. Nothing is written to a file: the code of
the living function is exchanged, which reaches every reference to it.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "src" / "pullback"
FILES = (
    "maps/linear.py", "maps/elementwise.py", "maps/softmax.py", "maps/norm.py", "maps/dropout.py",
    "maps/shape.py", "maps/combine.py", "maps/augment.py", "losses/base.py",
    "losses/classification.py", "losses/regression.py", "engine/dense.py", "engine/losses.py",
    "core/contraction.py", "core/stable.py", "core/theta.py", "core/compose.py",
)  # fmt: skip
FUNCTIONS = {
    "forward", "pullback", "grads", "pushforward", "slope", "apply", "advance", "link", "sum",
    "each", "sq_norms", "mean_weights", "one_hot", "matched", "over_outputs", "outputs", "sigmoid",
    "softplus", "log_softmax", "one_position_axis", "_through", "_moments", "_centred", "_shifted",
    "_overlap", "_sum", "_joined", "_smoothed", "_weighed", "_softmax", "_as_rows", "_write",
    "_outer", "_outer_over_positions", "_over_examples", "_over_positions", "_class_numbers",
}  # fmt: skip

SWAPPED_BINARY = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
}  # fmt: skip
SWAPPED_COMPARE = {
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt), ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
}  # fmt: skip
SWAPPED_NAMES = {
    "mean": "sum", "add": "subtract", "subtract": "add", "multiply": "divide",
    "maximum": "minimum", "greater": "less", "less": "greater", "expm1": "exp", "log1p": "log",
    "tanh": "sin", "abs": "negative", "sqrt": "square", "argmax": "argmin", "max": "min",
    "log": "exp", "sign": "abs",
}  # fmt: skip


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

    def __str__(self) -> str:
        place = f"{self.file}:{self.line} {self.function}"
        return f"{place} [{self.operator}] {self.before}  ->  {self.after}"

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
        tree = copy.deepcopy(self.tree)
        tree.decorator_list = []
        exec(compile(ast.fix_missing_locations(ast.Module([tree], [])), self.file, "exec"), names)
        live.__code__ = names[name].__code__


def mutants() -> list[Mutant]:
    """Return every fault, in the order of the files."""
    return [mutant for file in FILES for mutant in _of_file(file)]


def _of_file(file: str) -> Iterator[Mutant]:
    tree = ast.parse((SOURCE / file).read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
            yield from _of_function(file, node.name, node)
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name in FUNCTIONS:
                    yield from _of_function(file, f"{node.name}.{inner.name}", inner)


def _of_function(file: str, function: str, tree: ast.FunctionDef) -> Iterator[Mutant]:
    if any(isinstance(node, ast.Call) and _name(node.func) == "super" for node in ast.walk(tree)):
        return  # its code needs the class it stands in
    seen = {ast.dump(tree)}
    for position, node in enumerate(_nodes(tree)):
        for operator, change in changes(node):
            changed = copy.deepcopy(tree)
            target = _nodes(changed)[position]
            change(target, changed)
            dump = ast.dump(changed)
            if dump in seen:
                continue
            seen.add(dump)
            line, before, after = _difference(tree, changed, node)
            yield Mutant(file, function, line, operator, before, after, changed)


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
            # what is only a place or a shape fails at once, or means the same
            index = isinstance(node, ast.Subscript) and child is node.slice
            shape = isinstance(node, ast.Call) and _name(node.func) in ("reshape", "range")
            if not annotation and not index and not (shape and child is not node.func):
                visit(child)

    for statement in tree.body:
        visit(statement)
    return found


def _difference(before: ast.AST, after: ast.AST, node: ast.AST) -> tuple[int, str, str]:
    old, new = ast.unparse(before).splitlines(), ast.unparse(after).splitlines()
    for a, b in zip(old, new, strict=False):
        if a != b:
            return getattr(node, "lineno", before.lineno), a.strip(), b.strip()
    return getattr(node, "lineno", before.lineno), old[-1].strip(), new[-1].strip()


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield (operator, change) for one node; a change edits a copy of it in place."""
    if isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", lambda n, t: _become(n, t, n.operand)
    elif isinstance(node, ast.Compare):
        for op in SWAPPED_COMPARE.get(type(node.ops[0]), ()):
            yield "mask", lambda n, t, op=op: setattr(n, "ops", [op()])
    elif isinstance(node, ast.Constant):
        yield from _constant(node)
    elif isinstance(node, ast.Attribute):
        if node.attr == "T":
            yield "transposed", lambda n, t: _become(n, t, n.value)
        elif node.attr in SWAPPED_NAMES:
            other = SWAPPED_NAMES[node.attr]
            operator = "missing 1/n" if node.attr == "mean" else "function"
            yield operator, lambda n, t: setattr(n, "attr", other)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.AugAssign):
        other = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield "sign", lambda n, t: setattr(n, "op", other())
    elif isinstance(node, ast.Return) and node.value is not None:
        yield from _returned(node)


def _binary(node: ast.BinOp) -> Iterator[tuple[str, Any]]:
    kind = type(node.op)
    for op in SWAPPED_BINARY.get(kind, ()):
        name = "sign" if op in (ast.Add, ast.Sub) else "inverse"
        yield name, lambda n, t, op=op: setattr(n, "op", op())
    if kind in (ast.Add, ast.Sub, ast.Mult, ast.Div):
        name = "dropped term" if kind in (ast.Add, ast.Sub) else "dropped factor"
        yield name, lambda n, t: _become(n, t, n.left)
        if kind in (ast.Add, ast.Mult):
            yield name, lambda n, t: _become(n, t, n.right)
    if kind is ast.MatMult:
        yield "transposed", lambda n, t: n.__dict__.update(left=n.right, right=n.left)


def _constant(node: ast.Constant) -> Iterator[tuple[str, Any]]:
    value = node.value
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        yield "constant", lambda n, t: setattr(n, "value", value + 1)
    elif isinstance(value, float):
        yield "constant", lambda n, t: setattr(n, "value", value * 1.001 + 1e-3)
    elif isinstance(value, str) and "->" in value:
        left, _, right = value.partition("->")
        if len(right) > 1:
            yield "transposed", lambda n, t: setattr(n, "value", f"{left}->{right[::-1]}")


def _call(node: ast.Call) -> Iterator[tuple[str, Any]]:
    for i, keyword in enumerate(node.keywords):
        if keyword.arg == "axis" and isinstance(keyword.value, ast.UnaryOp):
            yield (
                "axis",
                lambda n, t, i=i: setattr(n.keywords[i], "value", ast.Constant(0)),
            )
        if keyword.arg == "where":
            yield "mask", lambda n, t, i=i: n.keywords.pop(i)
    if _name(node.func) == "where" and len(node.args) == 3:
        yield "branches", lambda n, t: n.args.__setitem__(slice(1, 3), n.args[:0:-1])


def _returned(node: ast.Return) -> Iterator[tuple[str, Any]]:
    value = node.value
    if isinstance(value, ast.Tuple):
        for i, part in enumerate(value.elts):
            if isinstance(part, ast.Name | ast.Call | ast.BinOp | ast.Subscript):
                yield "sign", lambda n, t, i=i: _negate(n.value.elts, i)
    elif isinstance(value, ast.Call | ast.BinOp | ast.Name):
        yield "sign", lambda n, t: setattr(n, "value", ast.UnaryOp(ast.USub(), n.value))


def _negate(parts: list[ast.expr], i: int) -> None:
    parts[i] = ast.UnaryOp(ast.USub(), parts[i])


def _become(node: ast.AST, tree: ast.AST, other: ast.AST) -> None:
    """Put ``other`` in the place of ``node`` within ``tree``."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, field, other)
            elif isinstance(value, list):
                setattr(parent, field, [other if item is node else item for item in value])
