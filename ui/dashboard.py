"""The dashboard: `streamlit run ui/dashboard.py`, or `headrace dashboard`."""

import logging
import secrets
from pathlib import Path

import streamlit as st

from ui.index import routes
from ui.parts import pools, table

log = logging.getLogger("headrace.dashboard")


READY = (pools, table)
"""What takes long to import is imported when the dashboard starts, not while the first person waits."""


def report(error: Exception) -> bool:
    """Log an error of ours under a number, and show the number instead of a traceback."""
    number = secrets.token_hex(4)
    log.error("error %s on a page of the dashboard", number, exc_info=error)
    st.error(f"Something in this page is broken. The dashboard's log says what, under {number}.")
    return True


app = st.App(Path(__file__).with_name("shell.py"), on_script_error=report, routes=routes())
