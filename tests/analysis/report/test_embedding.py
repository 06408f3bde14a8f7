"""A report's data inside its page: nothing of it can end its element, and the template is whole."""

import base64
import json
import re

import numpy as np
import pytest

from octavo.analysis.report import embedding
from octavo.analysis.report.embedding import PLACE, fill_template, to_json
from octavo.errors import TraceError

HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", "\ud800", "\u202e", "\u2028", "&lt;", "\x00", "]]>"]


def test_no_text_can_end_its_element() -> None:
    text = to_json({"strings": HOSTILE, **{each: 1 for each in HOSTILE}})
    assert not set("<>&") & set(text)
    assert text.isascii()
    assert json.loads(text)["strings"] == HOSTILE


def test_a_page_holds_the_document_once_and_its_title() -> None:
    page = fill_template({"strings": HOSTILE}, title="<b>A & B</b>\ud800")
    held = re.findall(r'<script type="application/json" id="report">(.*?)</script>', page, re.DOTALL)
    assert [json.loads(each) for each in held] == [{"strings": HOSTILE}]
    assert "<title>&lt;b&gt;A &amp; B&lt;/b&gt;?</title>" in page
    page.encode("utf-8")


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([0, 255]), "u1"),
        (np.array([0, 256]), "u2"),
        (np.array([65536, 1]), "u4"),
        (np.array([[0.5, np.nan]]), "f4"),
        (np.zeros((0, 3), np.int64), "u1"),
        (np.array([True, False]), "u1"),
    ],
)
def test_an_array_comes_back_as_it_was(array: np.ndarray, kind: str) -> None:
    packed = json.loads(to_json({"each": array}))["each"]
    assert packed["octavo_array"] == kind
    back = np.frombuffer(base64.b64decode(packed["base64"]), "<" + kind).reshape(packed["shape"])
    np.testing.assert_array_equal(back, array)


def test_what_is_no_data_has_no_place_in_a_report() -> None:
    with pytest.raises(TypeError, match="a set has no place"):
        to_json({"each": {1}})


def test_the_page_may_load_nothing_and_run_only_its_own_script() -> None:
    page = fill_template({}, title="t")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["style-src"])
    assert not re.search(r"unsafe|https?:|blob:|\*", policy[1])
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!data:,)[\w/.]""", page.split("<style>")[0])


def test_a_damaged_template_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PLACE", PLACE + "x")
    with pytest.raises(TraceError, match="is damaged, it has no place for the figures"):
        fill_template({}, title="t")
