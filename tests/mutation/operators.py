"""The kinds of fault: what can be changed at one node of a function's syntax tree.

Each change edits a copy in place: it is given the node and the tree it stands in.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

Change = Callable[[ast.AST, ast.AST], None]
Named = tuple[str, Change]
"""The operator's name, and one change of its kind."""

SWAPPED_BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
SWAPPED_COMPARE = {
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt), ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
SWAPPED_NAMES = {
    "mean": "sum", "sum": "mean", "add": "subtract", "subtract": "add", "multiply": "divide",
    "maximum": "minimum", "greater": "less", "less": "greater", "expm1": "exp", "log1p": "log",
    "tanh": "sin", "abs": "negative", "sqrt": "square", "argmax": "argmin", "max": "min",
    "log": "exp", "sign": "abs", "zeros_like": "ones_like", "ones_like": "zeros_like",
    "reciprocal": "negative",
}  # fmt: skip
FUNCTIONS_OF_ONE = {"abs", "exp", "expm1", "log", "log1p", "clip", "negative", "sqrt", "sign"}
OTHER_AXIS = {0: -1, 1: 0, -1: 0}
SCALE = 1.001
"""By how much a result is off that is only a little wrong."""


def changes(node: ast.AST, names: tuple[str, ...] = ()) -> Iterator[Named]:
    """Yield the faults for one node; ``names`` are the arrays that could be meant by mistake."""
    for kind, found in OPERATORS.items():
        if isinstance(node, kind):
            yield from found(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        for other in [name for name in names if name != node.id][:2]:
            yield "wrong variable", lambda n, t, other=other: setattr(n, "id", other)


def _binary(node: ast.BinOp) -> Iterator[Named]:
    kind = type(node.op)
    if kind in SWAPPED_BINARY:
        adds = kind in (ast.Add, ast.Sub)
        other = SWAPPED_BINARY[kind]
        yield "sign" if adds else "inverse", lambda n, t: setattr(n, "op", other())
        name = "dropped term" if adds else "dropped factor"
        yield name, lambda n, t: become(n, t, n.left)
        yield name, lambda n, t: become(n, t, n.right)
    if kind in (ast.MatMult, ast.Sub):
        name = "sign" if kind is ast.Sub else "transposed"
        yield name, lambda n, t: n.__dict__.update(left=n.right, right=n.left)
    if kind is ast.MatMult:
        yield "transposed", lambda n, t: setattr(n, "right", _turned(n.right))


def _turned(node: ast.expr) -> ast.expr:
    return ast.Attribute(node, "T", ast.Load())


def _unary(node: ast.UnaryOp) -> Iterator[Named]:
    if isinstance(node.op, ast.USub):
        yield "sign", lambda n, t: become(n, t, n.operand)
    elif isinstance(node.op, ast.Not):
        yield "condition", lambda n, t: become(n, t, n.operand)


def _compare(node: ast.Compare) -> Iterator[Named]:
    for op in SWAPPED_COMPARE.get(type(node.ops[0]), ()):
        yield "mask", lambda n, t, op=op: setattr(n, "ops", [op()])


def _either(node: ast.BoolOp) -> Iterator[Named]:
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield "condition", lambda n, t: setattr(n, "op", other())
    for i in range(len(node.values)):
        yield "condition", lambda n, t, i=i: _without(n, t, i)


def _without(node: ast.BoolOp, tree: ast.AST, i: int) -> None:
    del node.values[i]
    if len(node.values) == 1:
        become(node, tree, node.values[0])


def _choice(node: ast.If | ast.IfExp) -> Iterator[Named]:
    for value in (True, False):
        yield "condition", lambda n, t, value=value: setattr(n, "test", ast.Constant(value))


def _constant(node: ast.Constant) -> Iterator[Named]:
    value = node.value
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        yield "constant", lambda n, t: setattr(n, "value", value + 1)
    elif isinstance(value, float):
        yield "constant", lambda n, t: setattr(n, "value", value * SCALE + 1e-3)
    elif isinstance(value, str) and "->" in value:
        left, _, right = value.partition("->")
        if len(right) > 1:
            yield "transposed", lambda n, t: setattr(n, "value", f"{left}->{right[::-1]}")


def _attribute(node: ast.Attribute) -> Iterator[Named]:
    if node.attr == "T":
        yield "transposed", lambda n, t: become(n, t, n.value)
    elif node.attr in SWAPPED_NAMES:
        other = SWAPPED_NAMES[node.attr]
        operator = "missing 1/n" if "mean" in (node.attr, other) else "function"
        yield operator, lambda n, t: setattr(n, "attr", other)


def _call(node: ast.Call) -> Iterator[Named]:
    for i, keyword in enumerate(node.keywords):
        if keyword.arg == "axis":
            yield "axis", lambda n, t, i=i: n.keywords.pop(i)
            other = OTHER_AXIS.get(_number(keyword.value))
            if other is not None:
                yield "axis", lambda n, t, i=i, o=other: setattr(n.keywords[i], "value", _int(o))
        if keyword.arg == "keepdims":
            yield "axis", lambda n, t, i=i: n.keywords.pop(i)
        if keyword.arg == "where":
            yield "mask", lambda n, t, i=i: n.keywords.pop(i)
    name = name_of(node.func)
    if name == "where" and len(node.args) == 3:
        yield "branches", lambda n, t: n.args.__setitem__(slice(1, 3), n.args[:0:-1])
        for i in (1, 2):
            yield "branches", lambda n, t, i=i: become(n, t, n.args[i])
    if name in ("matmul", "subtract", "divide") and len(node.args) == 2:
        operator = "transposed" if name == "matmul" else "sign"
        yield operator, lambda n, t: n.args.reverse()
    if name in FUNCTIONS_OF_ONE and node.args:
        yield "dropped function", lambda n, t: become(n, t, n.args[0])


def _number(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _int(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _augmented(node: ast.AugAssign) -> Iterator[Named]:
    other = SWAPPED_BINARY.get(type(node.op), ast.Add)
    yield "sign", lambda n, t: setattr(n, "op", other())
    yield (
        "accumulation",
        lambda n, t: become(n, t, ast.Assign([n.target], n.value, lineno=n.lineno)),
    )
    yield "dropped term", lambda n, t: become(n, t, ast.Pass())


def _statement(node: ast.Expr) -> Iterator[Named]:
    if isinstance(node.value, ast.Call):
        yield "dropped step", lambda n, t: become(n, t, ast.Pass())


def _returned(node: ast.Return) -> Iterator[Named]:
    value = node.value
    computed = ast.Name | ast.Call | ast.BinOp | ast.Subscript
    if isinstance(value, ast.Tuple):
        for i, part in enumerate(value.elts):
            if isinstance(part, computed):
                for operator, wrap in (("sign", _negative), ("scale", _scaled)):
                    yield operator, lambda n, t, i=i, w=wrap: _wrap(n.value.elts, i, w)
    elif isinstance(value, computed) and not _is_a_truth(value):
        yield "sign", lambda n, t: setattr(n, "value", _negative(n.value))
        yield "scale", lambda n, t: setattr(n, "value", _scaled(n.value))


def _is_a_truth(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and name_of(value.func) in ("bool", "isinstance")


def _negative(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)


def _scaled(node: ast.expr) -> ast.expr:
    return ast.BinOp(node, ast.Mult(), ast.Constant(SCALE))


def _wrap(parts: list[ast.expr], i: int, wrap: Callable[[ast.expr], ast.expr]) -> None:
    parts[i] = wrap(parts[i])


def name_of(node: ast.AST) -> str:
    """Return the last name of ``a`` or ``a.b``."""
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def become(node: ast.AST, tree: ast.AST, other: ast.AST) -> None:
    """Put ``other`` in the place of ``node`` within ``tree``."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, field, other)
            elif isinstance(value, list):
                setattr(parent, field, [other if item is node else item for item in value])


OPERATORS = {
    ast.BinOp: _binary, ast.UnaryOp: _unary, ast.Compare: _compare, ast.BoolOp: _either,
    ast.If: _choice, ast.IfExp: _choice, ast.Constant: _constant, ast.Attribute: _attribute,
    ast.Call: _call, ast.AugAssign: _augmented, ast.Expr: _statement, ast.Return: _returned,
}  # fmt: skip
"""By the kind of node."""
