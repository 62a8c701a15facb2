"""What RECORD says about itself at /metrics."""

from prometheus_client import Counter, Gauge

ROWS = Counter("headrace_record_rows_total", "Rows written to ClickHouse.", ["table"])
LAG = Gauge("headrace_record_lag_messages", "Messages that are not in ClickHouse yet.", ["topic", "partition"])
FLUSHED = Gauge("headrace_record_last_flush_seconds", "When a batch was last written, Unix time.")
FLUSH_SECONDS = Gauge("headrace_record_flush_seconds", "How long the last batch took to write.")
FAILURES = Counter("headrace_record_failures_total", "Attempts to write a batch that ClickHouse did not take.")
LETTERS = Counter("headrace_record_dead_letters_total", "Messages that could not be recorded.")
