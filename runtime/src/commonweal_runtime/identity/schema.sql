-- What the issuer keeps. Owned by the role `identity`; made at every start, unchanged when it is there.
-- Nothing here names a person, a record, or a department's id of somebody: accounts are HMACs, contents are sealed with a key that is not in the database.

CREATE SCHEMA IF NOT EXISTS identity;

CREATE TABLE IF NOT EXISTS identity.session (
    id      uuid PRIMARY KEY,
    secret  bytea NOT NULL UNIQUE,
    account uuid NOT NULL,
    sealed  bytea NOT NULL,
    started double precision NOT NULL,
    seen    double precision NOT NULL,
    ends    double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS session_account ON identity.session (account, seen);
CREATE INDEX IF NOT EXISTS session_seen ON identity.session (seen);

-- The applications that use a session, and what each calls it.
CREATE TABLE IF NOT EXISTS identity.member (
    session uuid NOT NULL REFERENCES identity.session ON DELETE CASCADE,
    client  text NOT NULL,
    sid     text NOT NULL,
    PRIMARY KEY (session, client)
);
CREATE INDEX IF NOT EXISTS member_sid ON identity.member (sid);

-- Refresh tokens: one row for all that came of one sign-in.
CREATE TABLE IF NOT EXISTS identity.family (
    id      uuid PRIMARY KEY,
    session uuid NOT NULL REFERENCES identity.session ON DELETE CASCADE,
    client  text NOT NULL,
    request bytea NOT NULL,
    current bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS family_session ON identity.family (session);

-- Codes and link tokens that were used, for as long as they would be taken.
CREATE TABLE IF NOT EXISTS identity.spent (
    digest bytea PRIMARY KEY,
    until  double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS spent_until ON identity.spent (until);

-- One link for each account and department. Without a sealed id: the person ended it, and what the platform set does not count.
CREATE TABLE IF NOT EXISTS identity.link (
    account    uuid NOT NULL,
    department text NOT NULL,
    sealed     bytea,
    record     bytea UNIQUE,
    since      double precision NOT NULL,
    PRIMARY KEY (account, department),
    CHECK ((sealed IS NULL) = (record IS NULL))
);

CREATE TABLE IF NOT EXISTS identity.preference (
    account uuid PRIMARY KEY,
    version bigint NOT NULL,
    sealed  bytea NOT NULL
);
