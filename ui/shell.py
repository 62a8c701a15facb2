"""What every page stands in: the page list, the styles, the dialogs. `dashboard.py` hands it to Streamlit."""

from pathlib import Path

import streamlit as st

from ui.parts import places, states

HERE = Path(__file__).parent

# Before the pages are named: otherwise their icons are fetched from Google's servers, to stand in the browser's tab.
st.set_page_config(page_icon=HERE / "parts" / "mark.svg", layout="wide", initial_sidebar_state=208)
title = places.TITLES
page = st.navigation(
    {
        "Watch": [
            st.Page(places.OVERVIEW, title=title[""], icon=":material/monitoring:", default=True),
            st.Page(places.EXECUTIONS, title=title["executions"], icon=":material/list_alt:", url_path="executions"),
            st.Page(places.EXECUTION, title=title["execution"], url_path="execution", visibility="hidden"),
        ]
    }
)
st.set_page_config(page_title=places.tab(page.title))
st.logo(HERE / "parts" / "logo.svg", size="medium")
st.html(f"<style>{(HERE / 'parts' / 'style.css').read_text()}\n{states.stylesheet()}</style>")
page.run()
