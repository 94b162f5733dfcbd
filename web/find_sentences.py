"""Finds the sentences that the server says, in its own source: those of errors, reasons, advice and help."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

_PACKAGES: Final = (
    *("sora2api.accounts", "sora2api.auth", "sora2api.drivers", "sora2api.egress", "sora2api.jobs", "sora2api.media"),
    *("sora2api.notify", "sora2api.observe", "sora2api.plugins", "sora2api.web"),
)
_MODULES: Final = ("errors.py", "catalog.py", "modes.py", "registry.py", "settings.py")
"""Of the root itself; what only the command line or a client of the API is told stands elsewhere."""

_ROOT_ERROR: Final = "Sora2ApiError"
_ELSEWHERE: Final = frozenset(
    {"auth/first_start.py", "observe/metrics.py", "observe/monitoring.py", "observe/standing.py", "web/openapi.py"}
)
"""What is said there no page shows: a file of the data directory, the metrics, the description of the admin API."""
_SENTENCE: Final = re.compile(r"[^a-z% ].* .*([.?!]|: \{\w+\})", re.DOTALL)
_WORDS: Final = re.compile(r"[a-z]{2,}.* |^[A-Za-z][a-z]+$")
_GAP: Final = re.compile(r"\{\w+\}")
_PHRASES: Final = frozenset(
    {"why", "reason", "summary", "title", "note", "NOTE", "named", "said", "_Unfit", "_composed", "Moment", "_answered"}
)
"""What is given to these parameters, functions and variables is said too, though it may be no whole sentence."""
_OTHERWISE: Final = frozenset({"N_", "gettext", "ngettext"})
"""What is given to these is found by gettext's own rules."""


class Sentence(NamedTuple):
    """A sentence with `{name}` where a value stands, and the file that says it."""

    text: str
    place: str


def sentences() -> Iterator[Sentence]:
    """All of them, some more than once."""
    errors = {_ROOT_ERROR}
    root = files("sora2api")
    for name in _MODULES:
        yield from _of_file(root / name, name, errors)
    for package in _PACKAGES:
        yield from _of_folder(files(package), package.removeprefix("sora2api."), errors)


def _of_folder(folder: Traversable, place: str, errors: set[str]) -> Iterator[Sentence]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir() and (each / "__init__.py").is_file():
            yield from _of_folder(each, f"{place}/{each.name}", errors)
        elif each.name.endswith(".py") and f"{place}/{each.name}" not in _ELSEWHERE:
            yield from _of_file(each, f"{place}/{each.name}", errors)


def _of_file(file: Traversable, place: str, errors: set[str]) -> Iterator[Sentence]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for text in (*_defaults(tree, errors), *_said(tree)):
        yield Sentence(text, place)


def _defaults(tree: ast.Module, errors: set[str]) -> Iterator[str]:
    """What errors say where nothing else is given: their docstrings. *errors* are the names of classes, and grow."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and errors & {ast.unparse(base).rpartition(".")[2] for base in node.bases}:
            errors.add(node.name)
            yield from (ast.get_docstring(node) or "").splitlines()[:1]


def _said(tree: ast.Module) -> Iterator[str]:
    """The literals that read as sentences, and those whose place tells that they are said."""
    passed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if node in passed:
            continue
        passed.update(_unsaid(node))
        yield from (text for text in _phrases(node) if _WORDS.search(_GAP.sub("", text)))
        if isinstance(node, ast.Constant | ast.JoinedStr):
            yield from filter(_SENTENCE.fullmatch, _templates(node))


def _unsaid(node: ast.AST) -> Iterator[ast.AST]:
    """What within a node is no literal of its own: docstrings, pieces of an f-string, what gettext finds."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _called(node) in _OTHERWISE):
        yield from (each for each in ast.walk(node) if each is not node)


def _phrases(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and _called(node) in _PHRASES:
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from _templates(argument)
    elif isinstance(node, ast.keyword) and node.arg in _PHRASES:
        yield from _templates(node.value)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id in _PHRASES for target in targets):
            yield from _templates(node.value)
    elif isinstance(node, ast.FunctionDef) and node.name in _PHRASES:
        for each in ast.walk(node):
            if isinstance(each, ast.Return) and each.value is not None:
                yield from _templates(each.value)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def _templates(node: ast.expr) -> Iterator[str]:
    """What an expression may say: a literal, one of two, or the values of a table."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield _template(node)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_templates(one), *_templates(other))
        case ast.Dict(values=values):
            for value in values:
                yield from _templates(value)
        case _:
            pass


def _template(node: ast.JoinedStr) -> str:
    """An f-string with a gap for each value, named as the value is; one that is quoted there is so here."""
    parts: list[str] = []
    names: list[str] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            names.append(_name(part.value))
            again = names.count(names[-1])
            gap = f"{{{names[-1]}{again if again > 1 else ''}}}"
            parts.append(f"'{gap}'" if part.conversion == ord("r") else gap)
        elif isinstance(part, ast.Constant):
            parts.append(str(part.value))
    return "".join(parts)


def _name(value: ast.expr) -> str:
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case _:
            return "value"
