-- The log of decisions and what was learnt from it. Owned by the role `models`; made at every start, unchanged when it is there.

CREATE SCHEMA IF NOT EXISTS learning;

-- One ModelService. A service deleted and made again has another uid, and begins anew.
CREATE TABLE IF NOT EXISTS learning.service (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid  text NOT NULL UNIQUE,
    name text NOT NULL
);

-- One feature space of a service; sums of two spaces cannot be added. `lesson` numbers what was learnt, without gaps;
-- `forgot` is the lesson at which rows were last taken out.
CREATE TABLE IF NOT EXISTS learning.space (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service    integer NOT NULL REFERENCES learning.service,
    digest     text NOT NULL,
    definition jsonb NOT NULL,
    lesson     bigint NOT NULL DEFAULT 0,
    forgot     bigint NOT NULL DEFAULT 0,
    UNIQUE (service, digest)
);

-- One answer of `rank`. A baseline answer names no subject and keeps no features.
CREATE TABLE IF NOT EXISTS learning.decision (
    service       integer NOT NULL REFERENCES learning.service,
    event         text NOT NULL,
    space         integer NOT NULL REFERENCES learning.space,
    request       bytea NOT NULL,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    subjects      jsonb NOT NULL,
    actions       text[] NOT NULL,
    probabilities double precision[] NOT NULL,
    pick          smallint NOT NULL,
    phi           bytea,
    offered       bytea,
    sums          text NOT NULL,
    rows          bigint NOT NULL,
    withheld      text[] NOT NULL,
    baseline      boolean NOT NULL,
    activated     timestamptz,
    reward        double precision CHECK (reward BETWEEN 0 AND 1),
    rewarded      timestamptz,
    late          boolean,
    lesson        bigint,
    PRIMARY KEY (service, event),
    CHECK (NOT baseline OR (phi IS NULL AND offered IS NULL AND subjects = '{}' AND lesson IS NULL)),
    CHECK (lesson IS NULL OR (reward IS NOT NULL AND NOT late))
);
-- Whose event it is; null: decided by an earlier release, and anybody's.
ALTER TABLE learning.decision ADD COLUMN IF NOT EXISTS caller text;
-- Unique: the database itself refuses that a lesson counts twice.
CREATE UNIQUE INDEX IF NOT EXISTS decision_lesson ON learning.decision (space, lesson) WHERE lesson IS NOT NULL;
CREATE INDEX IF NOT EXISTS decision_subjects ON learning.decision USING gin (subjects jsonb_path_ops) WHERE NOT baseline;

-- The sums after `lesson`, so that a start need not read the whole log.
CREATE TABLE IF NOT EXISTS learning.snapshot (
    space  integer PRIMARY KEY REFERENCES learning.space,
    lesson bigint NOT NULL,
    sums   bytea NOT NULL,
    digest text NOT NULL,
    at     timestamptz NOT NULL DEFAULT now()
);

-- Join a reward to its decision and give it the next lesson, in one transaction: it is learnt once or not at all.
CREATE OR REPLACE FUNCTION learning.join_reward(the_service integer, the_event text, the_value double precision, the_space integer, wait integer)
RETURNS TABLE (outcome text, late boolean, lesson bigint, action text, phi bytea, propensity double precision, reward double precision)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    d learning.decision;
    next_lesson bigint;
    is_late boolean;
BEGIN
    SELECT * INTO d FROM learning.decision WHERE service = the_service AND event = the_event FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'Unknown', NULL::boolean, NULL::bigint, NULL, NULL::bytea, NULL::double precision, NULL::double precision;
        RETURN;
    END IF;
    IF d.reward IS NOT NULL THEN
        RETURN QUERY SELECT CASE WHEN d.reward = the_value THEN 'Duplicate' ELSE 'Conflict' END,
            d.late, d.lesson, d.actions[d.pick + 1], NULL::bytea, d.probabilities[d.pick + 1], d.reward;
        RETURN;
    END IF;
    is_late := clock_timestamp() > d.at + make_interval(secs => wait);
    IF d.phi IS NOT NULL AND d.space = the_space AND NOT is_late THEN
        UPDATE learning.space SET lesson = lesson + 1 WHERE id = the_space RETURNING lesson INTO next_lesson;
    END IF;
    UPDATE learning.decision SET reward = the_value, rewarded = clock_timestamp(), late = is_late, lesson = next_lesson,
        activated = coalesce(activated, clock_timestamp())
        WHERE service = the_service AND event = the_event;
    RETURN QUERY SELECT 'Joined', is_late, next_lesson, d.actions[d.pick + 1], d.phi, d.probabilities[d.pick + 1], the_value;
END
$$;
