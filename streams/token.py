"""The API's token: one secret of this machine, in a file that only its owner may read."""

import os
import secrets
import stat
from pathlib import Path

from streams.settings import Settings

SHORTEST = 32
"""Characters; a shorter token can be guessed."""


def token_path(settings: Settings) -> Path:
    """Where the token is kept."""
    return settings.token_file or settings.home / "api-token"


def read_token(settings: Settings) -> str:
    """The token. Raises FileNotFoundError where there is none, PermissionError where it is no secret."""
    path = token_path(settings)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise PermissionError(f"{path} can be read by others; run: chmod 600 {path}")
    token = path.read_text().strip()
    if len(token) < SHORTEST:
        raise PermissionError(f"the token in {path} has {len(token)} characters; at least {SHORTEST} are needed")
    return token


def ensure_token(settings: Settings) -> str:
    """The token, made on the first call on this machine. Two that call at once get the same one."""
    path = token_path(settings)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _publish(path, secrets.token_urlsafe(32))
    return read_token(settings)


def _publish(path: Path, token: str) -> None:
    """Put a whole file in place unless somebody was first: a link, unlike a rename, never replaces."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{token}\n")
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
