-- Parts are merged some ten at a time and not five: a row is copied by fewer merges, and a question meets a few parts
-- more. ClickHouse knows the setting since the end of 2024.

ALTER TABLE {raw}.executions MODIFY SETTING merge_selector_base = 10;

ALTER TABLE {raw}.attempts MODIFY SETTING merge_selector_base = 10;

ALTER TABLE {raw}.events MODIFY SETTING merge_selector_base = 10;

ALTER TABLE {raw}.logs MODIFY SETTING merge_selector_base = 10;
