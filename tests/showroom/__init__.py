"""What the dashboard is shown in its tests."""
