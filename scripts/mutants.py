"""Mutants of a module: its source with one small thing changed, each a mistake that tests ought to notice."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

_COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
}
# What says what a thing is, not what it does.
_UNTOUCHED = {"annotation", "returns", "decorator_list", "bases", "type_params"}
_NOTHING = ast.Constant(None)


@dataclass(frozen=True)
class Mutant:
    """`source()` is the whole module; `name` says what was changed, and stays when lines move."""

    name: str
    line: int
    source: Callable[[], str]


@dataclass(frozen=True)
class _Place:
    """A node, and the way to it from the root: field names and indexes."""

    node: ast.AST
    path: tuple[str | int, ...]
    function: str
    raising: bool


def make_mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines. Names are unique: repeated ones are numbered."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for place in _places(tree, (), "module", raising=False):
        for changed in _changes(place):
            name = f"{place.function}: {_show(place.node)} -> {_show(changed)}"
            seen[name] = seen.get(name, 0) + 1
            name += f" #{seen[name]}" if seen[name] > 1 else ""
            render = partial(_render, tree, place.path, changed)
            found.append(Mutant(name, getattr(place.node, "lineno", 0), render))
    return sorted(found, key=lambda mutant: mutant.line)


def _render(tree: ast.Module, path: tuple[str | int, ...], changed: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(_replace(tree, path, changed)))


def _places(node: ast.AST, path: tuple[str | int, ...], function: str, *, raising: bool) -> Iterator[_Place]:
    yield _Place(node, path, function, raising)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = node.name if function == "module" else f"{function}.{node.name}"
        if function.endswith("__repr__"):
            return
    raising = raising or isinstance(node, ast.Raise)
    for field, value in ast.iter_fields(node):
        if field in _UNTOUCHED:
            continue
        if isinstance(value, ast.AST):
            yield from _places(value, (*path, field), function, raising=raising)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST) and not _is_docstring(item):
                    yield from _places(item, (*path, field, index), function, raising=raising)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(place: _Place) -> Iterator[ast.AST]:
    """Each thing that this node could wrongly be."""
    node = place.node
    match node:
        case ast.Compare():
            yield from _other_comparisons(node)
        case ast.BoolOp():
            yield ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
            for index in range(len(node.values)):
                rest = [value for at, value in enumerate(node.values) if at != index]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield ast.BinOp(node.left, _ARITHMETIC[type(op)](), node.right)
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.Constant() if not place.raising:
            yield from _other_constants(node.value)
        case ast.Tuple(elts=elements) if place.path[-1] == "value" and len(elements) > 1:
            for index in range(len(elements)):
                yield ast.Tuple([element for at, element in enumerate(elements) if at != index], node.ctx)
        case _:
            yield from _other_statements(node)


def _other_comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for index, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            yield ast.Compare(node.left, [*node.ops[:index], other(), *node.ops[index + 1 :]], node.comparators)


def _other_constants(value: object) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case str():
            yield ast.Constant(value + "x")
        case bytes():
            yield ast.Constant(value + b"x")
        case _:
            return


def _other_statements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Raise():
            yield ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield ast.Pass()
        case ast.If(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield ast.If(ast.UnaryOp(ast.Not(), test), node.body, node.orelse)
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield ast.Return(_NOTHING)
        case ast.Assign(value=value) if not _is_none(value):
            yield ast.Assign(node.targets, _NOTHING)
        case ast.AugAssign(value=value):
            yield ast.Pass()
        case _:
            return


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _replace(tree: ast.Module, path: tuple[str | int, ...], new: ast.AST) -> ast.Module:
    """A copy of the tree with another node at this place."""
    root = copy.deepcopy(tree)
    holder: ast.AST | list[ast.AST] = root
    for step in path[:-1]:
        holder = holder[step] if isinstance(holder, list) and isinstance(step, int) else getattr(holder, str(step))
    last = path[-1]
    if isinstance(holder, list) and isinstance(last, int):
        holder[last] = new
    else:
        setattr(holder, str(last), new)
    return root


def _show(node: ast.AST) -> str:
    """The first line of the code, short enough for a table."""
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return text if len(text) <= 90 else f"{text[:60]} ... {text[-25:]}"
