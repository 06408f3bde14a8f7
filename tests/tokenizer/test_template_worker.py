"""The worker renders line by line, and tells apart what went wrong; here without a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from octavo.tokenizer import template_worker
from octavo.tokenizer.template_worker import answer, compile_template, render, to_json


def answered(source: str, max_characters: int = 100, **variables: object) -> dict[str, str]:
    return answer(lambda: {"text": render(compile_template(source), variables, max_characters)})


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("{{ raise_exception('no') }}", "refused"),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{% for %}", "syntax"),
        ("{{ 'x' * 101 }}", "size"),
        ("{{ 1 + 'x' }}", "failed"),
        ("{{ nothing.here }}", "failed"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "failed"),
    ],
)
def test_each_kind_of_trouble_has_its_name(source: str, kind: str) -> None:
    assert answered(source)["kind"] == kind


def test_a_text_is_rendered_with_its_blocks_trimmed() -> None:
    assert answered("  {% if true %}\n{{ x }}\n  {% endif %}\ny", x="<") == {"text": "<\ny"}


def test_json_is_written_as_it_is_or_in_ascii() -> None:
    assert to_json({"é": "<"}) == '{"é": "<"}'
    assert to_json({"é": "😀\U000f0000"}, ensure_ascii=True) == '{"\\u00e9": "\\ud83d\\ude00\U000f0000"}'
    assert to_json([1], indent=1) == "[\n 1\n]"


def test_it_answers_a_line_with_a_line_and_imports_nothing_of_ours() -> None:
    first = {"source": "{{ x }}", "max_bytes": 1 << 30, "max_characters": 9}
    lines = "".join(json.dumps(line) + "\n" for line in (first, {"x": "a\nb"}, {"x": "c" * 10}))
    done = subprocess.run(
        [sys.executable, "-P", template_worker.__file__], input=lines, capture_output=True, text=True, check=True
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {},
        {"text": "a\nb"},
        {"kind": "size", "error": ""},
    ]
    code = Path(template_worker.__file__).read_text(encoding="utf-8")
    assert "from octavo" not in code and "import octavo" not in code
