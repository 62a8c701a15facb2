import subprocess
import sys
from pathlib import Path

import pytest

HERE = ("-c", "import sys; sys.path.insert(0, ''); from headrace import Pipeline; print(Pipeline('p').id)")


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A Python that was started in somebody's project."""
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["pipelines", "streams", "sinks", "ui"])
def test_a_folder_that_hides_ours_is_explained(tmp_path: Path, name: str) -> None:
    """One sentence names the folder, the package and what to do; with -P nothing is hidden."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = python(tmp_path, *HERE)
    assert done.returncode == 1
    assert f"ImportError: the folder {tmp_path / name} hides Headrace's own package {name!r}" in done.stderr
    assert python(tmp_path, "-P", "-m", "headrace", "--version").returncode == 0


def test_folders_of_pipelines_are_no_packages(tmp_path: Path) -> None:
    """A plain folder called pipelines, with files to be loaded by path, hides nothing."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "mine.py").write_text("from headrace import Pipeline\n")
    assert python(tmp_path, *HERE).stdout == "p\n"
