"""What people touch, over HTTP only: the API client, the command line, the dashboard."""
