"""The small changes that `benchmarks.mutants` makes: each as the text of the changed file."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_CALLS = {
    "min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor",
    "minimum": "maximum", "maximum": "minimum", "argmin": "argmax", "argmax": "argmin",
    "sum": "max", "mean": "sum", "sorted": "list", "argsort": "argmax", "abs": "float",
    "sqrt": "square", "cumsum": "asarray", "ones": "zeros", "zeros": "ones",
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """The text from offset `begin` to `end` of `source` replaced by `instead`; `name` says how."""

    source: str
    begin: int
    end: int
    instead: str
    name: str
    line: int

    def text(self) -> str:
        """The whole changed file."""
        return self.source[: self.begin] + self.instead + self.source[self.end :]


def mutations(source: str) -> Iterator[Mutation]:
    """Every change of a module that parses, in the order of its text.

    Left alone are what has no effect on a result: docstrings, annotations, decorators, imports,
    what is for type checkers only; and formatted strings, whose parts have no place of their own.
    """
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data = source.encode()

    def offset(line: int, column: int) -> int:
        return len(data[: starts[line - 1] + column].decode())

    for node in _visited(ast.parse(source)):
        for target, changed, name in _all_changes(node):
            text = ast.unparse(changed)
            mutation = Mutation(
                source,
                offset(target.lineno, target.col_offset),
                offset(target.end_lineno or 0, target.end_col_offset or 0),
                f"({text})" if isinstance(target, ast.expr) else text,
                name,
                target.lineno,
            )
            try:
                compile(mutation.text(), "mutant", "exec")
            except SyntaxError:  # such as a name where only a literal may stand
                continue
            yield mutation


def _visited(node: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    """The nodes that may be changed, outer before inner."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(
                child, (ast.JoinedStr, ast.Import, ast.ImportFrom)
            ):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Assign) and "__all__" in ast.unparse(child.targets[0]):
                continue
            if isinstance(child, (ast.stmt, ast.expr)):
                yield child
            yield from _visited(child)


def _all_changes(node: ast.stmt | ast.expr) -> Iterator[tuple[ast.stmt | ast.expr, ast.AST, str]]:
    for changed, name in _changes(node):
        yield node, changed, name
    if isinstance(node, (ast.If, ast.While)) and not isinstance(
        node.test, (ast.Compare, ast.BoolOp, ast.UnaryOp)
    ):
        yield node.test, ast.UnaryOp(ast.Not(), node.test), "condition"


def _changes(node: ast.stmt | ast.expr) -> Iterator[tuple[ast.AST, str]]:
    """Each change of one node: what stands in its place, and what that is called."""
    if isinstance(node, ast.Compare):
        for i, one in enumerate(node.ops):
            changed = copy.deepcopy(node)
            changed.ops[i] = _COMPARISONS[type(one)]()
            yield changed, "comparison"
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        if not any(_is_text(side) for side in (node.left, node.right)):
            changed = copy.deepcopy(node)
            changed.op = _ARITHMETIC[type(node.op)]()
            yield changed, "arithmetic"
    elif isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        changed = copy.deepcopy(node)
        changed.op = _ARITHMETIC[type(node.op)]()
        yield changed, "arithmetic"
    elif isinstance(node, ast.BoolOp):
        changed = copy.deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield changed, "and/or"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand, "sign or not dropped"
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse), "condition"
    elif isinstance(node, ast.Constant):
        yield from ((ast.Constant(value), "constant") for value in _other_values(node.value))
    elif isinstance(node, ast.Call):
        yield from _call_changes(node)
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield ast.Return(ast.Constant(None)), "return dropped"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass(), "call dropped"
    elif isinstance(node, ast.Raise):
        yield ast.Pass(), "error dropped"
    elif isinstance(node, ast.Slice) and node.step is None:
        for bound in ("lower", "upper"):
            if getattr(node, bound) is not None:
                changed = copy.deepcopy(node)
                moved = ast.BinOp(getattr(changed, bound), ast.Add(), ast.Constant(1))
                setattr(changed, bound, moved)
                yield changed, "off by one"


def _call_changes(node: ast.Call) -> Iterator[tuple[ast.AST, str]]:
    called = node.func
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    if name in _CALLS:
        changed = copy.deepcopy(node)
        if isinstance(changed.func, ast.Name):
            changed.func.id = _CALLS[name]
        elif isinstance(changed.func, ast.Attribute):
            changed.func.attr = _CALLS[name]
        yield changed, f"{name} -> {_CALLS[name]}"
    for i, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            changed = copy.deepcopy(node)
            del changed.keywords[i]
            yield changed, f"argument {keyword.arg} dropped"


def _other_values(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        yield value - 1
    elif isinstance(value, float):
        yield 2 * value if value else 1.0


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
