"""What every page stands in: the page list, the styles, the dialogs. `dashboard.py` hands it to Streamlit."""

from pathlib import Path

import streamlit as st

from ui.parts import places, states

HERE = Path(__file__).parent

st.set_page_config(
    page_title="Headrace", page_icon=HERE / "parts" / "mark.svg", layout="wide", initial_sidebar_state=208
)
st.logo(HERE / "parts" / "logo.svg", size="medium")
st.html(f"<style>{(HERE / 'parts' / 'style.css').read_text()}\n{states.stylesheet()}</style>")

page = st.navigation(
    {
        "Watch": [
            st.Page(places.OVERVIEW, title="Overview", icon=":material/monitoring:", default=True),
            st.Page(places.EXECUTIONS, title="Executions", icon=":material/list_alt:", url_path="executions"),
            st.Page(places.EXECUTION, title="Execution", url_path="execution", visibility="hidden"),
        ]
    }
)
page.run()
