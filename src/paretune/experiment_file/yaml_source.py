"""YAML text that knows the line of every field, so that a mistake can be told where it is.

Reads YAML as people mean it: ``1e-4`` is a number and ``on`` a word (YAML 1.1 says the opposite of both),
and a key given twice is a mistake.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from paretune.errors import InvalidArgument, Violation


class _Loader(yaml.SafeLoader):
    """Plain values only, with the booleans and floats of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":float", ":timestamp"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_FLOAT = r"""[-+]?(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)? | [-+]?\d[\d_]*[eE][-+]?\d+
    | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)"""
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT})$", re.VERBOSE), list("-+0123456789.")
)


MAX_FIELDS = 500_000
"""Fields of a document, those that `&` and `*` repeat included: a few lines can stand for billions."""


class YamlSource:
    """Parsed YAML text.

    Attributes:
        content: the text as plain dicts, lists and scalars.

    Raises:
        InvalidArgument: the text is not one YAML document, gives a key twice, or has too many fields.
    """

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines: dict[str, int] = {}
        self._fields = 0
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            self._note(root, "", set())
            self.content: Any = loader.construct_document(root) if root is not None else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{name}:{mark.line + 1}" if mark else name
            raise InvalidArgument(f"{where}: is not valid YAML: {_problem(error)}.") from None
        except yaml.reader.ReaderError as error:
            where = f"{name}:{text.count(chr(10), 0, error.position) + 1}"
            raise InvalidArgument(
                f"{where}: has a character that is no text, {text[error.position]!r}."
            ) from None
        except (yaml.YAMLError, ValueError) as error:
            raise InvalidArgument(f"{name}: is not valid YAML: {_one_line(error)}.") from None
        except RecursionError:
            raise InvalidArgument(f"{name}: is nested too deeply for an experiment.") from None
        if not isinstance(self.content, dict):
            raise InvalidArgument(
                f"{name}: must be a list of `key: value` lines, beginning with `name: ...`."
            )

    def _note(self, node: yaml.Node | None, path: str, above: set[int]) -> None:
        """Remember the line of every field below `node`; refuse keys given twice."""
        if node is None or id(node) in above:
            return
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise InvalidArgument(f"{self._name}: has more than {MAX_FIELDS:,} fields.")
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self._note(child, f"{path}[{index}]", above | {id(node)})
        elif isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                where = _join(path, str(key.value))
                line = key.start_mark.line + 1
                if where in self._lines:
                    twice = f"is given twice; first in line {self._lines[where]}"
                    raise InvalidArgument(
                        f"{self._name}:{line}: {where}: {twice}.", [Violation(where, twice)]
                    )
                self._lines[where] = line
                self._note(child, where, above | {id(node)})

    def line_of(self, path: str) -> int:
        """Line, from 1, of a field such as ``parameters[2].max``, or of the nearest field around it."""
        while path and path not in self._lines:
            path = re.sub(r"(?:^|\.)[^.\[\]]+$|\[[^\]]*\]$", "", path)
        return self._lines.get(path, 1)

    def refuse(self, violations: Sequence[Violation]) -> InvalidArgument:
        """One line about the first of the violations, with file and line."""
        # A mistyped key is both unknown and missing under its right name: the former says more.
        first, *more = sorted(violations, key=lambda v: (v.description == _MISSING, self.line_of(v.field)))
        count = f" (and {len(more)} more)" if more else ""
        description = first.description.rstrip(".") + count
        end = "" if description.endswith("?") else "."
        message = f"{self._name}:{self.line_of(first.field)}: {first.field}: {description}{end}"
        return InvalidArgument(message, violations)

    def refuse_model(self, error: ValidationError, model: type[BaseModel]) -> InvalidArgument:
        """One line about what pydantic found, in terms of the file."""
        # pydantic tells what is wrong under every alternative of a union: gather them by field.
        found: dict[str, list[ErrorDetails]] = {}
        for details in error.errors(include_url=False):
            found.setdefault(_path(_location(details)), []).append(details)
        return self.refuse(
            [
                Violation(path, _describe(several, model))
                for path, several in found.items()
                if not any(other.startswith((f"{path}.", f"{path}[")) for other in found)
            ]
        )


_MISSING = "is missing"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _path(location: Sequence[str | int]) -> str:
    path = ""
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    return path


_ALTERNATIVES = {"str", "int", "float", "bool", "[key]"}


def _location(details: ErrorDetails) -> list[str | int]:
    return [part for part in details["loc"] if not _is_alternative(part)]


def _is_alternative(part: str | int) -> bool:
    """Whether a part of pydantic's location names an alternative of a union rather than a field."""
    return isinstance(part, str) and (part in _ALTERNATIVES or "[" in part or part.endswith("Entry"))


_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list: [a, b]",
    "dict_type": "a mapping: {key: value}",
    "model_type": "a mapping: {key: value}",
}


def _describe(several: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    details, location = several[0], _location(several[0])
    kind, given = details["type"], details["input"]
    if kind == "missing":
        return _MISSING
    if kind == "extra_forbidden":
        known = list(_model_at(model, location[:-1]).model_fields)
        return f"is not a key here{_closest(str(location[-1]), known)}"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        return f"{_shown(given)} is not known{_closest(str(given), known)}"
    if kind == "string_type" and len(several) == 1 and isinstance(given, bool | int | float):
        return f'{_shown(given)} is not text; write it in quotes: "{_shown(given)}"'
    wanted = list(dict.fromkeys(_WANTED.get(each["type"], "something else") for each in several))
    if "a number" in wanted:
        wanted = [each for each in wanted if each != "a whole number"]
    return f"{_shown(given)} is not {' or '.join(wanted)}"


def _shown(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    text = "nothing" if given is None else str(given) if isinstance(given, int | float) else repr(given)
    return text if len(text) <= 60 else text[:57] + "..."


def _closest(given: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given.lower(), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _model_at(model: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel]:
    """The model that describes what lies at a location."""
    for part in location:
        if isinstance(part, str):
            model = next(_models(model.model_fields[part].annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if get_origin(annotation) is None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _models(argument)


def _problem(error: yaml.MarkedYAMLError) -> str:
    if "'\\t'" in str(error.problem):
        return "a tab cannot stand here; indent with spaces"
    return _one_line(error.problem)


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())


class _Dumper(yaml.SafeDumper):
    """Short mappings and lists on one line each, as people write them."""


def _represent_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    flat = not any(isinstance(value, dict) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=flat)


def _represent_dict(dumper: yaml.SafeDumper, values: dict[str, Any]) -> yaml.Node:
    top = "parameters" in values
    return dumper.represent_mapping("tag:yaml.org,2002:map", values.items(), flow_style=not top)


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    node = dumper.represent_scalar("tag:yaml.org,2002:str", text)
    # What this module's reader, or YAML 1.1, would take for something else is quoted.
    tag = _Loader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    plain = tag == "tag:yaml.org,2002:str"
    return node if plain else dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'")


def _represent_float(dumper: yaml.SafeDumper, number: float) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(number) if number == number else ".nan")


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(dict, _represent_dict)
_Dumper.add_representer(str, _represent_str)
_Dumper.add_representer(float, _represent_float)


def to_yaml(content: dict[str, Any]) -> str:
    """Plain dicts, lists and scalars as YAML text, in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
