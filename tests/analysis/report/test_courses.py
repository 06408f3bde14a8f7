"""A course draws the rows of one measure, a line for each domain."""

import numpy as np

from octavo.analysis.report.courses import ALL, COURSES, Course
from octavo.analysis.statistics.rows import row

COURSE = Course(statistic="x", title="X", meaning="What x is.", unit="share", among={"measure": "m"})


def test_each_domain_is_a_line_with_its_chance() -> None:
    rows = [
        row(domain=domain, layer=layer, measure=measure, value=value, null_uniform=0.5, n=layer)
        for domain in ("a", None)
        for layer in (2, 5)
        for measure, value in (("m", 0.25), ("other", 1.0))
    ]
    page = COURSE.page(rows, (2, 5))
    assert page is not None
    assert [line["domain"] for line in page["lines"]] == ["a", ALL]
    np.testing.assert_array_equal(page["lines"][0]["value"], [0.25, 0.25])
    assert [null["name"] for null in page["lines"][0]["nulls"]] == ["uniform"]
    assert page["lines"][0]["n"] == 5
    assert page["lines"][0]["lo"] is None


def test_domains_without_a_line_of_all_get_their_mean() -> None:
    rows = [
        row(domain="a", layer=0, measure="m", value=0.0, n=30, null_uniform=0.5),
        row(domain="b", layer=0, measure="m", value=1.0, n=10, null_uniform=0.5),
        row(domain="c", layer=0, measure="m", value=None, n=0),
    ]
    page = COURSE.page(rows, (0,))
    assert page is not None
    assert [(line["domain"], line["value"].tolist()) for line in page["lines"]] == [
        ("a", [0]),
        ("b", [1]),
        (ALL, [0.25]),
    ]
    assert page["lines"][-1]["nulls"][0]["value"].tolist() == [0.5]


def test_a_course_without_values_is_not_drawn() -> None:
    assert COURSE.page([], (0,)) is None
    assert COURSE.page([row(domain="a", layer=0, measure="m", value=None, n=0)], (0,)) is None


def test_every_course_says_what_it_is() -> None:
    assert len({course.title for course in COURSES}) == len(COURSES)
    for course in COURSES:
        assert course.unit in ("share", "bits", "nats", "number")
        assert course.meaning.endswith(".")
