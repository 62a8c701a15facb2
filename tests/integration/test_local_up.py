"""What `headrace up` says after its start, with an API of made-up data."""

from pathlib import Path

import pytest
from showroom.api import TOKEN, free_port, serving
from showroom.world import World

from pipelines.loader import load_folder
from streams.local.screen import Screen
from streams.local.supervisor import Supervisor
from streams.local.up import show_example, where_things_are
from streams.settings import Settings


def test_what_was_not_loaded_is_counted_where_the_api_refuses_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are said, and that there is more to see above."""
    token, port = tmp_path / "token", free_port()
    token.write_text(TOKEN)
    token.chmod(0o600)
    (tmp_path / "bad.py").write_text("1 / 0")
    (tmp_path / "good.py").write_text("from headrace import Pipeline\n\nPipeline('p').sleep('nap', seconds=0)\n")
    edge = {"token_file": token, "edge_url": f"http://127.0.0.1:{port}"}
    settings = Settings.model_validate({"home": tmp_path, "pipelines_dir": tmp_path, **edge})
    registry, screen = load_folder(tmp_path), Screen()
    with serving(World(), port):
        assert not show_example(settings, registry, screen, Supervisor(screen.say))
    where_things_are(settings, screen, registry)
    said = capsys.readouterr().out
    assert f"Not loaded: {tmp_path}/bad.py:1: ZeroDivisionError" in said
    assert "The example 'weather' could not be run: " in said
    assert f"{tmp_path} (1 file not loaded: see above)" in said
