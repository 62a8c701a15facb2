"""What people write: tasks, pipelines, their validation and loading."""
