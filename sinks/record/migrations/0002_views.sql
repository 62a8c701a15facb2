-- What people query. FINAL keeps the newest row of each sort key, so that a plain SELECT is exact at any moment.
-- Columns carry the comments of the tables below them (see migrate.py).

CREATE OR REPLACE VIEW {main}.executions AS SELECT * EXCEPT (partition, position, recorded_at) FROM {raw}.executions FINAL;

CREATE OR REPLACE VIEW {main}.attempts AS SELECT * EXCEPT (returned, version, partition, position) FROM {raw}.attempts FINAL WHERE NOT returned;

CREATE OR REPLACE VIEW {main}.events AS SELECT * EXCEPT (partition, position) FROM {raw}.events FINAL;

CREATE OR REPLACE VIEW {main}.logs AS SELECT * FROM {raw}.logs FINAL;

CREATE OR REPLACE VIEW {main}.pipelines AS SELECT * FROM {raw}.pipelines FINAL;

CREATE OR REPLACE VIEW {main}.tasks AS
SELECT t.* EXCEPT (deleted, position), (t.created_at, t.position) < (gone.created_at, gone.position) AS deleted
FROM (SELECT * FROM {raw}.tasks FINAL WHERE NOT deleted) AS t
LEFT JOIN (SELECT task, created_at, position FROM {raw}.tasks FINAL WHERE deleted) AS gone USING (task);

CREATE OR REPLACE VIEW {main}.minutes AS
SELECT
    * EXCEPT (waited, ran, counted_at),
    finalizeAggregation(waited)[1] AS waited_p50_ms,
    finalizeAggregation(waited)[2] AS waited_p99_ms,
    finalizeAggregation(ran)[1] AS ran_p50_ms,
    finalizeAggregation(ran)[2] AS ran_p99_ms
FROM {raw}.minutes FINAL;

ALTER TABLE {main}.minutes
    COMMENT COLUMN waited_p50_ms 'Half of those that ended in it waited no longer; milliseconds.',
    COMMENT COLUMN waited_p99_ms '99 of 100 that ended in it waited no longer; milliseconds.',
    COMMENT COLUMN ran_p50_ms 'Half of those that ended in it ran no longer; milliseconds.',
    COMMENT COLUMN ran_p99_ms '99 of 100 that ended in it ran no longer; milliseconds.';
