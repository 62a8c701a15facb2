-- Of what is lost nobody knows when it ended: the moment at which that was found may be long after, so it has no duration.

CREATE OR REPLACE VIEW {main}.executions AS
SELECT * EXCEPT (partition, position, recorded_at) REPLACE (if(state = 'lost', NULL, ran_ms) AS ran_ms)
FROM {raw}.executions FINAL;

CREATE OR REPLACE VIEW {main}.attempts AS
SELECT * EXCEPT (returned, version, partition, position) REPLACE (if(state = 'lost', NULL, ran_ms) AS ran_ms)
FROM {raw}.attempts FINAL WHERE NOT returned;
