"""What is asked of other packages is the same wherever it is said."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OLDEST, RECIPE = ROOT / ".github" / "oldest.txt", ROOT / "conda" / "recipe.yaml"

pytestmark = pytest.mark.skipif(not OLDEST.exists(), reason="the tests are far from the source")


def requirements(texts):
    """The versions that are asked for, by the package's name."""
    found = [Requirement(text) for text in texts]
    return {each.name: each.specifier for each in found}


def test_conda_asks_for_what_pip_asks_for():
    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    project, wanted = PROJECT["project"], recipe["requirements"]
    tools = requirements(each for each in wanted["host"] if each.startswith("hatch"))

    assert requirements(wanted["run"][1:]) == requirements(project["dependencies"])
    assert tools == requirements(PROJECT["build-system"]["requires"])
    assert f">={recipe['context']['python_min']}" == project["requires-python"]


def test_the_oldest_versions_are_tested():
    lines = OLDEST.read_text("utf-8").splitlines()
    oldest = requirements(line for line in lines if not line.startswith("#"))
    for name, asked in requirements(PROJECT["project"]["dependencies"]).items():
        (bound,) = [each.version for each in asked if each.operator == ">="]
        (pinned,) = [each.version for each in oldest[name]]

        assert Version(pinned) == Version(bound), name
