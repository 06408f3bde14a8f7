"""A domain may be called anything; its folder is one safe name, and no two domains share one."""

from pathlib import Path

import pytest

from octavo.analysis.store import naming

HOSTILE = [
    "../x",
    "a/b",
    "=",
    "..",
    ".",
    "~",
    "a~b",
    "%",
    "%2F",
    " ",
    "x\n",
    "\x00",
    "ä" * 100,
    "名" * 300,
    "a" * 9999,
    "con",
    "2024",
]


@pytest.mark.parametrize("domain", HOSTILE)
def test_a_folder_can_be_made_of_any_name(domain: str, tmp_path: Path) -> None:
    name = naming.domain_folder(domain)
    (tmp_path / name).mkdir()
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert name.isascii()


def test_no_two_domains_share_a_folder() -> None:
    names = [*HOSTILE, "ä" * 101, "a" * 9998, naming.folder_domain(naming.domain_folder("a" * 9999))]
    assert len({naming.domain_folder(each) for each in names}) == len(names)


@pytest.mark.parametrize("domain", [each for each in HOSTILE if len(each) < 100])
def test_a_folder_spells_its_domain(domain: str) -> None:
    assert naming.folder_domain(naming.domain_folder(domain)) == domain


def test_a_name_that_was_cut_is_cut_between_letters() -> None:
    spelled = naming.folder_domain(naming.domain_folder("名" * 300))
    assert spelled.startswith("名" * 16)
    assert "\N{REPLACEMENT CHARACTER}" not in spelled


def test_a_part_has_a_number_and_its_writer_another() -> None:
    assert naming.read_part_name(naming.part_name(3, 17)) == (3, 17)
    assert naming.read_part_name("part-1-2.parquet") is None
    assert naming.read_part_name("other.parquet") is None


def test_what_is_unfinished_belongs_to_a_rank(tmp_path: Path) -> None:
    (tmp_path / "domain=x").mkdir()
    left = [tmp_path / "domain=x" / ".part-00001-000000.parquet.77.new", tmp_path / ".documents-00001.parquet.77.new"]
    for path in [*left, tmp_path / "domain=x" / ".part-00002-000000.parquet.77.new"]:
        path.touch()
    assert naming.unfinished(tmp_path, 1) == left
