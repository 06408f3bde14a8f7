"""The picture of the demo is drawn from a real terminal, and needs nothing from elsewhere."""

import importlib.util
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

from octavo.cli.palette import COLOURS

SCRIPT = Path(__file__).parents[2] / "docs" / "capture.py"


@pytest.fixture(scope="module")
def capture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("capture", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_command_is_drawn_with_its_colours(capture: ModuleType, folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "octavo",
        "score",
        "--model",
        str(folder),
        "-p",
        "The quick brown fox",
        "--experts",
        "0",
    ]
    text = capture.run_in_terminal(command, 80)
    picture = capture.draw(text, title="octavo score", columns=80)
    drawn = ET.fromstring(picture)  # noqa: S314, our own
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert picture.count("http") == 1  # the name of the language
    papers = {element.get("fill", "").upper() for element in drawn.iter("{http://www.w3.org/2000/svg}rect")}
    assert papers & {paper for _, paper in COLOURS}
    assert "bits\u00a0a\u00a0byte" in "".join(drawn.itertext())


def test_a_command_that_fails_is_not_drawn(capture: ModuleType) -> None:
    with pytest.raises(SystemExit, match="ended with 2"):
        capture.run_in_terminal([sys.executable, "-m", "octavo", "score"], 80)
