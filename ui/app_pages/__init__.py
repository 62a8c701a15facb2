"""The pages of the dashboard; Streamlit runs each as a script."""
