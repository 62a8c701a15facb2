import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.settings import Settings
from streams.token import ensure_token, read_token, token_path


def test_the_token_is_made_once_and_is_private(tmp_path: Path) -> None:
    """Many that start at once get the same token, in a file that only its owner may read, and leave nothing else."""
    settings = Settings(home=tmp_path / "home")
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: ensure_token(settings), range(32)))
    assert tokens == {read_token(settings)}
    assert stat.S_IMODE(token_path(settings).stat().st_mode) == 0o600
    assert [file.name for file in settings.home.iterdir()] == ["api-token"]


def test_what_is_no_secret_is_refused(tmp_path: Path) -> None:
    """A token that others can read, that is too short or that is not there is not used."""
    file = tmp_path / "token"
    settings = Settings(token_file=file)
    with pytest.raises(FileNotFoundError):
        read_token(settings)
    file.write_text("x" * 43)
    file.chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        read_token(settings)
    file.chmod(0o600)
    assert read_token(settings) == "x" * 43
    file.write_text("short")
    with pytest.raises(PermissionError, match="at least 32"):
        read_token(settings)
