"""RECORD: every transition, attempt and log line in ClickHouse, and the questions people ask of them."""
