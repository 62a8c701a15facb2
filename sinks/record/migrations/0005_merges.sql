-- Parts are merged ten at a time and not five, about: each merge copies every row, and a question meets some parts more.

ALTER TABLE {raw}.executions MODIFY SETTING merge_selector_base = 10;

ALTER TABLE {raw}.attempts MODIFY SETTING merge_selector_base = 10;

ALTER TABLE {raw}.events MODIFY SETTING merge_selector_base = 10;

ALTER TABLE {raw}.logs MODIFY SETTING merge_selector_base = 10;
