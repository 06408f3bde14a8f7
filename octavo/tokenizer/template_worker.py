"""The process that renders a folder's chat template: a sandbox of its own, so that time and memory can be taken away.

It runs as a script and imports nothing of Octavo. Standard input brings one JSON object a line, first the template,
then conversations; each is answered by one line on standard output.
"""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jinja2 import Template, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class GenerationTag(Extension):
    """Renders what stands between {% generation %} and {% endgeneration %}, marks that only a trainer needs."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Gives the nodes inside the tag."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox that says so when a template reaches out of it, where its parent gives an empty text, and that computes
    nothing before its time: an operator that is not intercepted may be folded while the template compiles."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Raises SecurityError."""
        raise SecurityError(f"attribute {attribute!r} of a {type(obj).__name__}")


class Refusal(Exception):
    """What a template says of a conversation that it does not take."""


def refuse(message: object) -> None:
    """Is the template's raise_exception."""
    raise Refusal(str(message))


def to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Is the template's tojson: plain JSON, without the escapes that HTML needs."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
    if not ensure_ascii:
        return text
    # The planes for private use stay: brackets of messages travel there.
    return "".join(
        char if char < "\x80" or char >= "\U000f0000" else json.dumps(char)[1:-1]
        for char in text
    )  # fmt: skip


def compile_template(source: str) -> Template:
    """Compiles ``source`` in a sandbox in which it can change nothing that it is given."""
    environment = Sandbox(
        trim_blocks=True, lstrip_blocks=True, optimized=False, extensions=[GenerationTag, "jinja2.ext.loopcontrols"]
    )
    environment.globals.pop("lipsum")
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.filters["tojson"] = to_json
    return environment.from_string(source)


def render(template: Template, variables: dict[str, Any], max_characters: int) -> str:
    """Renders, and stops where the text passes ``max_characters``."""
    parts, length = [], 0
    for part in template.generate(**variables):
        parts.append(part)
        length += len(part)
        if length > max_characters:
            raise MemoryError
    return "".join(parts)


def answer(work: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Gives what ``work`` gives, or the kind and the words of its error."""
    try:
        return work()
    except Refusal as error:
        return {"kind": "refused", "error": str(error)}
    except SecurityError as error:
        return {"kind": "unsafe", "error": str(error)}
    except TemplateSyntaxError as error:
        return {"kind": "syntax", "error": f"{error.message} in line {error.lineno}"}
    except (MemoryError, OverflowError):
        return {"kind": "size", "error": ""}
    except RecursionError:
        return {"kind": "failed", "error": "endless recursion"}
    except (TemplateError, Exception) as error:
        return {"kind": "failed", "error": f"{type(error).__name__}: {error}"}


def limit_memory(num_bytes: int) -> None:
    """Lets this process have ``num_bytes`` of memory, where the system knows such a limit."""
    try:
        import resource  # noqa: PLC0415  (POSIX only)
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (num_bytes, num_bytes))


def main() -> None:
    """Answers line by line until its input ends."""
    lines, out = sys.stdin.buffer, sys.stdout.buffer
    first = json.loads(lines.readline())
    limit_memory(first["max_bytes"])
    compiled: list[Template] = []

    def compiling() -> dict[str, str]:
        compiled.append(compile_template(first["source"]))
        return {}

    def send(reply: dict[str, str]) -> None:
        out.write(json.dumps(reply).encode() + b"\n")
        out.flush()

    send(answer(compiling))
    for line in lines if compiled else ():
        variables = json.loads(line)
        send(answer(lambda: {"text": render(compiled[0], variables, first["max_characters"])}))  # noqa: B023


if __name__ == "__main__":
    main()
