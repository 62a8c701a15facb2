"""Where it ends up: ClickHouse (record) and people (notify)."""
