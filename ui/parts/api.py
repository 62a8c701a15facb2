"""The dashboard's access to the HTTP API, by the same client that everybody uses."""

import os
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import streamlit as st
from pydantic import ValidationError

from pipelines.views import OverviewView
from ui.client import ApiError, ApiUnavailableError, Client
from ui.serve import EDGE_URL, TOKEN_FILE

TIMEOUT = 5.0
AWAY = (ApiUnavailableError, ValidationError)
"""What a page survives with the data it has: nobody answers, or the API is of another version than this dashboard."""

REFUSED = (*AWAY, ApiError)
"""All that a request can raise."""


def base_url() -> str:
    """Where the API is, as whoever started the dashboard says."""
    return os.environ.get(EDGE_URL, "http://127.0.0.1:8090")


def token() -> str:
    """The API's token, read anew each time because a restart of the API may have written another; empty: none."""
    file = Path(os.environ.get(TOKEN_FILE) or "~/.headrace/api-token").expanduser()
    try:
        return file.read_text().strip()
    except OSError:
        return ""


@st.cache_resource(max_entries=4, show_spinner=False, on_release=Client.close)
def _client(url: str, secret: str) -> Client:
    return Client(url, secret, timeout=TIMEOUT)


def client() -> Client:
    """The connections that all sessions of this dashboard share."""
    return _client(base_url(), token())


@st.cache_data(ttl=1, show_spinner=False, max_entries=16)
def _overview(url: str, secret: str, since: datetime) -> OverviewView:
    return _client(url, secret).overview(since)


def overview(since: datetime) -> OverviewView:
    """Whether all is well since `since`; asked once a second however many look."""
    return _overview(base_url(), token(), since)


def away(error: Exception) -> bool:
    """Whether the API could not answer at all, as opposed to answering no."""
    return isinstance(error, AWAY) or (isinstance(error, ApiError) and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR)


def unknown(error: Exception) -> bool:
    """Whether the API knows no such thing."""
    return isinstance(error, ApiError) and error.status == HTTPStatus.NOT_FOUND


def sentence(error: Exception) -> str:
    """What went wrong, for people."""
    if isinstance(error, ValidationError):
        return f"{base_url()} is of another version than this dashboard ({error.error_count()} fields differ)"
    return str(error)
