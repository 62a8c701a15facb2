-- A part below 128 MB keeps its columns in one file and not in a hundred, which cost a batch much to make. A question of
-- few columns reads more of a small part, and no more of a large one.

ALTER TABLE {raw}.executions MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.attempts MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.events MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.tasks MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.logs MODIFY SETTING min_bytes_for_wide_part = 134217728;

-- Payloads are most of what history takes: docs/performance.md says what ZSTD does for them.

ALTER TABLE {raw}.events MODIFY COLUMN payload String CODEC(ZSTD(1));

ALTER TABLE {raw}.events MODIFY COLUMN call String CODEC(ZSTD(1));

ALTER TABLE {raw}.executions MODIFY COLUMN result String CODEC(ZSTD(1));
