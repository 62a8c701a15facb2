-- A part below 128 MB keeps its columns in one file and not in a hundred: on a busy disk, making the files of a part cost
-- as much as filling them. A question of few columns reads more of a small part, and no more of a large one.

ALTER TABLE {raw}.executions MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.attempts MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.events MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.tasks MODIFY SETTING min_bytes_for_wide_part = 134217728;

ALTER TABLE {raw}.logs MODIFY SETTING min_bytes_for_wide_part = 134217728;
