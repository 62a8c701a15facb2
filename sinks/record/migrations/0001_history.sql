-- What RECORD writes. Every table is a ReplacingMergeTree whose sort key names the fact. Of an execution and of an
-- attempt the row of the highest version stays; of equal ones, and of other facts, that whose event stands last in
-- Kafka: a message that is read twice, an insert that is sent twice, or an event that a paused scheduler sends late
-- changes nothing. The sort keys begin with the minute in which the execution was created, which never changes: fresh
-- rows stand together, and a range of time reads only its own part of the table. {raw}, {main} and {days} are filled
-- in by migrate.py.

CREATE TABLE IF NOT EXISTS {raw}.executions
(
    execution UUID COMMENT 'Id of the execution.',
    task String COMMENT 'Id of its task.' CODEC(ZSTD(1)),
    pipeline LowCardinality(String) COMMENT 'Pipeline of the task: the part of its id before the first dot; empty: none.',
    run String COMMENT 'The run that it belongs to; executions of one run see each other as upstream.' CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT 'Kind of task: function, python, shell, sql, http, external, sleep.',
    state LowCardinality(String) COMMENT 'Where it stands: scheduled, blocked, waiting, dispatched, running, retrying, succeeded, failed, lost, cancelled, skipped, upstream_failed.',
    version UInt32 COMMENT 'Number of its transitions so far.',
    attempt UInt32 COMMENT 'Number of the newest attempt; 0: none yet.',
    failures UInt32 COMMENT 'Attempts that failed.',
    losses UInt32 COMMENT 'Workers that were lost while they had it.',
    priority UInt8 COMMENT 'Priority 0 to 9; 9 is the most critical.',
    pool LowCardinality(String) COMMENT 'Pool of workers that may run it.',
    queue LowCardinality(String) COMMENT 'Its line in the pool.',
    owner LowCardinality(String) COMMENT 'Owner of the task.',
    worker LowCardinality(String) COMMENT 'The worker that has it, or had it last; empty: none yet.',
    late Bool COMMENT 'Whether it waited longer than max_latency_ms.',
    created_at DateTime64(3, 'UTC') COMMENT 'When it was submitted.' CODEC(Delta, ZSTD(1)),
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was due.' CODEC(Delta, ZSTD(1)),
    ready_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it last could run: due, and its upstream tasks had ended.' CODEC(Delta, ZSTD(1)),
    dispatched_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When its newest attempt was given to a worker.' CODEC(Delta, ZSTD(1)),
    started_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the code of its newest attempt started.' CODEC(Delta, ZSTD(1)),
    finished_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it ended, or its newest attempt did.' CODEC(Delta, ZSTD(1)),
    retry_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the next attempt is due, in state retrying.' CODEC(Delta, ZSTD(1)),
    updated_at DateTime64(3, 'UTC') COMMENT 'When it took its newest step.' CODEC(Delta, ZSTD(1)),
    waited_ms Nullable(UInt64) DEFAULT if(started_at >= ready_at, toUInt64(dateDiff('millisecond', ready_at, started_at)), NULL) COMMENT 'Milliseconds from being able to run to running (newest attempt).' CODEC(ZSTD(1)),
    ran_ms Nullable(UInt64) DEFAULT if(finished_at >= started_at, toUInt64(dateDiff('millisecond', started_at, finished_at)), NULL) COMMENT 'Milliseconds that its newest attempt ran.' CODEC(ZSTD(1)),
    max_latency_ms Nullable(UInt64) COMMENT 'Longest acceptable wait, milliseconds; none: no limit.' CODEC(ZSTD(1)),
    timeout_ms Nullable(UInt64) COMMENT 'Limit for one attempt, milliseconds; none: no limit.' CODEC(ZSTD(1)),
    execution_timeout_ms Nullable(UInt64) COMMENT 'Limit for the whole execution, milliseconds; none: no limit.' CODEC(ZSTD(1)),
    at_most_once Bool COMMENT 'Whether it may never start twice.',
    trigger LowCardinality(String) COMMENT 'How its upstream tasks must have ended.',
    upstream Array(Tuple(execution UUID, task String, state String)) COMMENT 'Executions it waits for, and how they had ended when it took its newest step (empty: not yet).' CODEC(ZSTD(1)),
    reason String COMMENT 'Why it is in its state, in words.' CODEC(ZSTD(1)),
    error String COMMENT 'Error of the last attempt that failed.' CODEC(ZSTD(1)),
    result String COMMENT 'JSON value of a success; empty: none.',
    result_cut Bool COMMENT 'Whether its result or its output was cut at the limit.',
    again UInt32 COMMENT 'Which retry by hand of this task in this run it is; 0: the first execution.',
    retry_of Nullable(UUID) COMMENT 'The execution of which it is the retry by hand.',
    partition UInt16 COMMENT 'Kafka partition of the event.',
    position UInt64 COMMENT 'Place of the event in its partition: offset x 1,048,576 + index in the message.' CODEC(Delta, ZSTD(1)),
    newest UInt128 MATERIALIZED bitShiftLeft(toUInt128(version), 64) + position COMMENT 'Which row of several stays.' CODEC(ZSTD(1)),
    recorded_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this row was written.' CODEC(Delta, ZSTD(1)),
    INDEX by_execution execution TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_run run TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_state state TYPE set(12) GRANULARITY 1,
    INDEX by_finish finished_at TYPE minmax GRANULARITY 1,
    INDEX by_update updated_at TYPE minmax GRANULARITY 1,
    INDEX by_record recorded_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(newest)
PARTITION BY toMonday(created_at)
ORDER BY (toStartOfMinute(created_at), execution)
TTL toDateTime(created_at) + toIntervalDay({days})
COMMENT 'One row an execution once merged: the view executions is exact at any moment.';

CREATE TABLE IF NOT EXISTS {raw}.attempts
(
    execution UUID COMMENT 'Id of the execution.',
    attempt UInt32 COMMENT 'Number of the attempt, from 1.',
    version UInt32 COMMENT 'Number of the execution''s transition that this row tells of.',
    task String COMMENT 'Id of its task.' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When the execution was submitted.' CODEC(Delta, ZSTD(1)),
    state LowCardinality(String) COMMENT 'How the attempt stands or ended: dispatched, running, succeeded, failed, lost, skipped, cancelled.',
    worker LowCardinality(String) COMMENT 'The worker that had it; empty: it needed none.',
    ready_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it could run.' CODEC(Delta, ZSTD(1)),
    dispatched_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was given to the worker.' CODEC(Delta, ZSTD(1)),
    started_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When its code started.' CODEC(Delta, ZSTD(1)),
    finished_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it ended.' CODEC(Delta, ZSTD(1)),
    waited_ms Nullable(UInt64) DEFAULT if(started_at >= ready_at, toUInt64(dateDiff('millisecond', ready_at, started_at)), NULL) COMMENT 'Milliseconds from being able to run to running.' CODEC(ZSTD(1)),
    ran_ms Nullable(UInt64) DEFAULT if(finished_at >= started_at, toUInt64(dateDiff('millisecond', started_at, finished_at)), NULL) COMMENT 'Milliseconds that it ran.' CODEC(ZSTD(1)),
    error String COMMENT 'Its error, shortened.' CODEC(ZSTD(1)),
    returned Bool COMMENT 'Handed back by its worker before it started: not an attempt after all.',
    partition UInt16 COMMENT 'Kafka partition of the event.',
    position UInt64 COMMENT 'Place of the event in its partition: offset x 1,048,576 + index in the message.' CODEC(Delta, ZSTD(1)),
    newest UInt128 MATERIALIZED bitShiftLeft(toUInt128(version), 64) + position COMMENT 'Which row of several stays.' CODEC(ZSTD(1)),
    INDEX by_execution execution TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(newest)
PARTITION BY toMonday(created_at)
ORDER BY (toStartOfMinute(created_at), execution, attempt)
TTL toDateTime(created_at) + toIntervalDay({days})
COMMENT 'One row an attempt once merged: the view attempts is exact at any moment.';

CREATE TABLE IF NOT EXISTS {raw}.events
(
    execution UUID COMMENT 'Id of the execution.',
    version UInt32 COMMENT 'Number of the transition; numbers of inner steps are missing.',
    at DateTime64(3, 'UTC') COMMENT 'When it happened.' CODEC(Delta, ZSTD(1)),
    what LowCardinality(String) COMMENT 'The step: created, ready, assigned, started, succeeded, failed, retrying, lost, cancelled, skipped, upstream_failed, returned, late.',
    state LowCardinality(String) COMMENT 'State after the step.',
    task String COMMENT 'Id of the task.' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When the execution was submitted.' CODEC(Delta, ZSTD(1)),
    attempt UInt32 COMMENT 'Number of the attempt; 0: none yet.',
    worker LowCardinality(String) COMMENT 'The worker; empty: none.',
    reason String COMMENT 'Why, in words.' CODEC(ZSTD(1)),
    error String COMMENT 'Error of the last attempt that failed.' CODEC(ZSTD(1)),
    call String COMMENT 'With created: the code or target of the task, JSON.',
    payload String COMMENT 'With created: the payload, JSON; empty: none.',
    partition UInt16 COMMENT 'Kafka partition of the event.',
    position UInt64 COMMENT 'Place of the event in its partition: offset x 1,048,576 + index in the message.' CODEC(Delta, ZSTD(1)),
    INDEX by_execution execution TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(position)
PARTITION BY toMonday(created_at)
ORDER BY (toStartOfMinute(created_at), execution, version)
TTL toDateTime(created_at) + toIntervalDay({days})
COMMENT 'One row a transition once merged: the view events is exact at any moment.';

CREATE TABLE IF NOT EXISTS {raw}.logs
(
    execution UUID COMMENT 'Id of the execution.',
    attempt UInt32 COMMENT 'Number of the attempt.',
    seq UInt64 COMMENT 'Number of the line in its attempt.',
    at DateTime64(3, 'UTC') COMMENT 'When it was written.' CODEC(Delta, ZSTD(1)),
    stream LowCardinality(String) COMMENT 'stdout, stderr or log.',
    level LowCardinality(String) COMMENT 'Level of a log record; empty: none.',
    text String COMMENT 'The line.' CODEC(ZSTD(1)),
    worker LowCardinality(String) COMMENT 'The worker that ran it.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(at)
ORDER BY (execution, attempt, seq)
TTL toDateTime(at) + toIntervalDay({days})
COMMENT 'Output of attempts, a row a line.';

CREATE TABLE IF NOT EXISTS {raw}.tasks
(
    task String COMMENT 'Id of the task.' CODEC(ZSTD(1)),
    pipeline LowCardinality(String) COMMENT 'Its pipeline: the part of its id before the first dot; empty: none.',
    kind LowCardinality(String) COMMENT 'Kind of task: function, python, shell, sql, http, external, sleep.',
    priority UInt8 COMMENT 'Priority 0 to 9; 9 is the most critical.',
    pool LowCardinality(String) COMMENT 'Pool of workers that may run it.',
    queue LowCardinality(String) COMMENT 'Its line in the pool.',
    owner LowCardinality(String) COMMENT 'Its owner.',
    trigger LowCardinality(String) COMMENT 'How its upstream tasks must have ended.',
    upstream Array(Tuple(task String, run String)) COMMENT 'Tasks it waits for; an empty run is its own run.' CODEC(ZSTD(1)),
    retries UInt32 COMMENT 'Attempts after the first one.',
    timeout_ms Nullable(UInt64) COMMENT 'Limit for one attempt, milliseconds; none: no limit.',
    execution_timeout_ms Nullable(UInt64) COMMENT 'Limit for the whole execution, milliseconds; none: no limit.',
    max_latency_ms Nullable(UInt64) COMMENT 'Longest acceptable wait, milliseconds; none: no limit.',
    at_most_once Bool COMMENT 'Whether an execution of it may never start twice.',
    description String COMMENT 'What it is for.' CODEC(ZSTD(1)),
    call String COMMENT 'Its code or target, JSON.' CODEC(ZSTD(1)),
    payload String COMMENT 'Its payload, JSON; empty: none.' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When it was created or last replaced.' CODEC(Delta, ZSTD(1)),
    deleted Bool COMMENT 'Whether it was deleted: it takes no further executions.',
    position UInt64 COMMENT 'Place of the event in its partition: offset x 1,048,576 + index in the message.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(created_at)
ORDER BY (task, deleted)
COMMENT 'The newest definition of a task, and beside it a row that says when it was deleted, if it ever was.';

CREATE TABLE IF NOT EXISTS {raw}.pipelines
(
    pipeline String COMMENT 'Id of the pipeline.',
    tasks Array(String) COMMENT 'Ids of its tasks.',
    description String COMMENT 'What it is for.',
    created_at DateTime64(3, 'UTC') COMMENT 'When it was created or last replaced.'
)
ENGINE = ReplacingMergeTree(created_at)
ORDER BY pipeline
COMMENT 'The newest definition of a pipeline.';

CREATE TABLE IF NOT EXISTS {raw}.minutes
(
    minute DateTime('UTC') COMMENT 'Start of the minute.' CODEC(DoubleDelta, ZSTD(1)),
    created UInt64 COMMENT 'Executions submitted in it.',
    succeeded UInt64 COMMENT 'Executions that ended in it as succeeded.',
    failed UInt64 COMMENT 'Executions that ended in it as failed.',
    lost UInt64 COMMENT 'Executions that ended in it as lost.',
    cancelled UInt64 COMMENT 'Executions that ended in it as cancelled.',
    skipped UInt64 COMMENT 'Executions that ended in it as skipped.',
    upstream_failed UInt64 COMMENT 'Executions that ended in it as upstream_failed.',
    late UInt64 COMMENT 'Executions that ended in it and had waited longer than max_latency_ms.',
    waited AggregateFunction(quantilesTDigest(0.5, 0.99), Nullable(UInt64)) COMMENT 'Waits of those that ended in it, milliseconds, for quantilesTDigestMerge(0.5, 0.99).',
    ran AggregateFunction(quantilesTDigest(0.5, 0.99), Nullable(UInt64)) COMMENT 'Run times of those that ended in it, milliseconds, for quantilesTDigestMerge(0.5, 0.99).',
    counted_at DateTime64(3, 'UTC') COMMENT 'When the count began.'
)
ENGINE = ReplacingMergeTree(counted_at)
ORDER BY minute
TTL minute + toIntervalDay({days})
COMMENT 'Executions by minute, counted again whenever rows of a minute came: see rollup.py.';

CREATE TABLE IF NOT EXISTS {raw}.progress
(
    topic String COMMENT 'Kafka topic.',
    partition UInt16 COMMENT 'Its partition.',
    next_offset UInt64 COMMENT 'Where reading goes on: everything before it is in the tables.',
    at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When this was written.'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (topic, partition)
COMMENT 'How far RECORD has come; written after the rows themselves.';
