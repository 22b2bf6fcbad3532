-- The first schema. Generated once from the typed tables and kept by hand since; a test compares the two.

CREATE FUNCTION dialer_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT clock_timestamp() + make_interval(secs => coalesce(nullif(current_setting('dialer.clock_offset', true), ''), '0')::float8)
$$;

CREATE FUNCTION dialer_workspace() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT nullif(nullif(current_setting('dialer.workspace', true), ''), '*')::uuid
$$;

CREATE FUNCTION dialer_all_workspaces() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('dialer.workspace', true) = '*', false)
$$;

CREATE TABLE workspaces (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    max_concurrent BIGINT DEFAULT '100' NOT NULL,
    calls_per_second DOUBLE PRECISION DEFAULT '50' NOT NULL,
    default_region TEXT,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_workspaces PRIMARY KEY (id),
    CONSTRAINT uq_workspaces_number UNIQUE (number),
    CONSTRAINT uq_workspaces_slug UNIQUE (slug)
);

CREATE TABLE agents (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    architecture TEXT DEFAULT 'pipeline' NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    visibility TEXT DEFAULT 'private' NOT NULL,
    system_prompt TEXT DEFAULT '' NOT NULL,
    first_message TEXT DEFAULT '' NOT NULL,
    language TEXT DEFAULT 'en-US' NOT NULL,
    llm JSONB DEFAULT '{}' NOT NULL,
    stt JSONB DEFAULT '{}' NOT NULL,
    tts JSONB DEFAULT '{}' NOT NULL,
    realtime JSONB DEFAULT '{}' NOT NULL,
    tools JSONB DEFAULT '[]' NOT NULL,
    max_call_s BIGINT DEFAULT '300' NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_agents PRIMARY KEY (id),
    CONSTRAINT uq_agents_number UNIQUE (number),
    CONSTRAINT fk_agents_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX ix_agents_workspace_id ON agents (workspace_id, created_at);

CREATE TABLE api_keys (
    name TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    requests_per_minute BIGINT DEFAULT '6000' NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash),
    CONSTRAINT fk_api_keys_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE carrier_accounts (
    carrier TEXT DEFAULT 'twilio' NOT NULL,
    label TEXT NOT NULL,
    account_sid TEXT NOT NULL,
    secret BYTEA NOT NULL,
    base_url TEXT,
    calls_per_second DOUBLE PRECISION DEFAULT '1' NOT NULL,
    max_concurrent BIGINT DEFAULT '100' NOT NULL,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_carrier_accounts PRIMARY KEY (id),
    CONSTRAINT uq_carrier_accounts_workspace_id_account_sid UNIQUE (workspace_id, account_sid),
    CONSTRAINT fk_carrier_accounts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE contacts (
    id UUID DEFAULT uuidv7() NOT NULL,
    workspace_id UUID NOT NULL,
    phone TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    CONSTRAINT pk_contacts PRIMARY KEY (id),
    CONSTRAINT uq_contacts_workspace_id_phone UNIQUE (workspace_id, phone),
    CONSTRAINT fk_contacts_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE idempotency_keys (
    workspace_id UUID NOT NULL,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    status SMALLINT,
    headers JSONB,
    body BYTEA,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (workspace_id, key),
    CONSTRAINT fk_idempotency_keys_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE pace (
    scope TEXT NOT NULL,
    scope_id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    CONSTRAINT pk_pace PRIMARY KEY (scope, scope_id),
    CONSTRAINT fk_pace_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE campaigns (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    slug TEXT,
    name TEXT NOT NULL,
    agent_id UUID NOT NULL,
    status TEXT DEFAULT 'draft' NOT NULL,
    control_version BIGINT DEFAULT '1' NOT NULL,
    settings_version BIGINT DEFAULT '1' NOT NULL,
    settings JSONB NOT NULL,
    max_concurrent BIGINT NOT NULL,
    weight DOUBLE PRECISION DEFAULT '1' NOT NULL,
    paused_reason TEXT,
    completed_reason TEXT,
    launched_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    idle_until TIMESTAMP WITH TIME ZONE,
    wants_until TIMESTAMP WITH TIME ZONE,
    hidden_at TIMESTAMP WITH TIME ZONE,
    tallies_checked_at TIMESTAMP WITH TIME ZONE,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_campaigns PRIMARY KEY (id),
    CONSTRAINT ck_campaigns_status_known CHECK (status IN ('draft', 'scheduled', 'running', 'paused', 'completed', 'stopped')),
    CONSTRAINT uq_campaigns_workspace_id_slug UNIQUE (workspace_id, slug),
    CONSTRAINT uq_campaigns_number UNIQUE (number),
    CONSTRAINT fk_campaigns_agent_id FOREIGN KEY(agent_id) REFERENCES agents (id),
    CONSTRAINT fk_campaigns_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX ix_campaigns_open ON campaigns (status) WHERE status IN ('scheduled', 'running', 'paused');

CREATE INDEX ix_campaigns_workspace_id ON campaigns (workspace_id, created_at, id);

CREATE TABLE phone_numbers (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    phone TEXT NOT NULL,
    label TEXT DEFAULT '' NOT NULL,
    carrier_account_id UUID NOT NULL,
    agent_id UUID,
    max_concurrent BIGINT,
    calls_per_second DOUBLE PRECISION,
    calls_per_day BIGINT,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_phone_numbers PRIMARY KEY (id),
    CONSTRAINT uq_phone_numbers_workspace_id_phone UNIQUE (workspace_id, phone),
    CONSTRAINT uq_phone_numbers_number UNIQUE (number),
    CONSTRAINT fk_phone_numbers_carrier_account_id FOREIGN KEY(carrier_account_id) REFERENCES carrier_accounts (id),
    CONSTRAINT fk_phone_numbers_agent_id FOREIGN KEY(agent_id) REFERENCES agents (id),
    CONSTRAINT fk_phone_numbers_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE campaign_numbers (
    campaign_id UUID NOT NULL,
    phone_number_id UUID NOT NULL,
    workspace_id UUID NOT NULL,
    position SMALLINT NOT NULL,
    CONSTRAINT pk_campaign_numbers PRIMARY KEY (campaign_id, phone_number_id),
    CONSTRAINT fk_campaign_numbers_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    CONSTRAINT fk_campaign_numbers_phone_number_id FOREIGN KEY(phone_number_id) REFERENCES phone_numbers (id),
    CONSTRAINT fk_campaign_numbers_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX ix_campaign_numbers_phone_number_id ON campaign_numbers (phone_number_id);

CREATE TABLE imports (
    campaign_id UUID NOT NULL,
    status TEXT DEFAULT 'running' NOT NULL,
    filename TEXT NOT NULL,
    size_bytes BIGINT DEFAULT '0' NOT NULL,
    options JSONB NOT NULL,
    shape JSONB,
    rows_total BIGINT,
    rows_read BIGINT DEFAULT '0' NOT NULL,
    next_offset BIGINT,
    next_row BIGINT,
    created BIGINT DEFAULT '0' NOT NULL,
    updated BIGINT DEFAULT '0' NOT NULL,
    skipped BIGINT DEFAULT '0' NOT NULL,
    failed BIGINT DEFAULT '0' NOT NULL,
    error JSONB,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_imports PRIMARY KEY (id),
    CONSTRAINT ck_imports_status_known CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_imports_rows_add_up CHECK (rows_read = created + updated + skipped + failed),
    CONSTRAINT fk_imports_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    CONSTRAINT fk_imports_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX ix_imports_campaign_id ON imports (campaign_id, status);

CREATE INDEX ix_imports_workspace_id ON imports (workspace_id, created_at, id);

CREATE TABLE lanes (
    campaign_id UUID NOT NULL,
    zone_set TEXT NOT NULL,
    priority SMALLINT NOT NULL,
    workspace_id UUID NOT NULL,
    CONSTRAINT pk_lanes PRIMARY KEY (campaign_id, zone_set, priority),
    CONSTRAINT fk_lanes_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    CONSTRAINT fk_lanes_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE suppressions (
    campaign_id UUID,
    phone TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    source TEXT DEFAULT 'api' NOT NULL,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_suppressions PRIMARY KEY (id),
    CONSTRAINT uq_suppressions_workspace_id_phone_campaign_id UNIQUE NULLS NOT DISTINCT (workspace_id, phone, campaign_id),
    CONSTRAINT fk_suppressions_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    CONSTRAINT fk_suppressions_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE tallies (
    campaign_id UUID NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    slot SMALLINT NOT NULL,
    workspace_id UUID NOT NULL,
    n NUMERIC NOT NULL,
    CONSTRAINT pk_tallies PRIMARY KEY (campaign_id, kind, key, slot),
    CONSTRAINT fk_tallies_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    CONSTRAINT fk_tallies_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE import_errors (
    import_id UUID NOT NULL,
    row BIGINT NOT NULL,
    workspace_id UUID NOT NULL,
    "column" TEXT,
    value TEXT,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    suggestion TEXT,
    cells JSONB DEFAULT '[]' NOT NULL,
    CONSTRAINT pk_import_errors PRIMARY KEY (import_id, row),
    CONSTRAINT fk_import_errors_import_id FOREIGN KEY(import_id) REFERENCES imports (id) ON DELETE CASCADE,
    CONSTRAINT fk_import_errors_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE import_pieces (
    import_id UUID NOT NULL,
    position BIGINT NOT NULL,
    workspace_id UUID NOT NULL,
    data BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    CONSTRAINT pk_import_pieces PRIMARY KEY (import_id, position),
    CONSTRAINT fk_import_pieces_import_id FOREIGN KEY(import_id) REFERENCES imports (id) ON DELETE CASCADE,
    CONSTRAINT fk_import_pieces_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE TABLE prospects (
    campaign_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    phone TEXT NOT NULL,
    extension TEXT,
    external_id TEXT,
    name TEXT,
    variables JSONB DEFAULT '{}' NOT NULL,
    zone_set TEXT DEFAULT '' NOT NULL,
    zone_source TEXT DEFAULT 'none' NOT NULL,
    priority SMALLINT DEFAULT '5' NOT NULL,
    state TEXT DEFAULT 'ready' NOT NULL,
    held_reason TEXT,
    next_due_at TIMESTAMP WITH TIME ZONE,
    attempts SMALLINT DEFAULT '0' NOT NULL,
    last_disposition TEXT,
    last_outcome TEXT,
    import_id UUID,
    import_row BIGINT,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_prospects PRIMARY KEY (id),
    CONSTRAINT ck_prospects_state_known CHECK (state IN ('ready', 'in_call', 'held', 'reached', 'exhausted', 'suppressed', 'invalid', 'expired')),
    CONSTRAINT ck_prospects_ready_is_due CHECK (state <> 'ready' OR next_due_at IS NOT NULL),
    CONSTRAINT ck_prospects_attempts_counted CHECK (state <> 'ready' OR attempts >= 0),
    CONSTRAINT uq_prospects_campaign_id_phone UNIQUE (campaign_id, phone),
    CONSTRAINT fk_prospects_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    CONSTRAINT fk_prospects_contact_id FOREIGN KEY(contact_id) REFERENCES contacts (id),
    CONSTRAINT fk_prospects_import_id FOREIGN KEY(import_id) REFERENCES imports (id),
    CONSTRAINT fk_prospects_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX ix_prospects_campaign_id_created ON prospects (campaign_id, created_at, id);

CREATE INDEX ix_prospects_campaign_id_state ON prospects (campaign_id, state, id);

CREATE INDEX ix_prospects_contact_id ON prospects (contact_id);

CREATE INDEX ix_prospects_due ON prospects (campaign_id, zone_set, priority, next_due_at, id) WHERE state = 'ready';

CREATE INDEX ix_prospects_import_id ON prospects (import_id, import_row);

CREATE INDEX ix_prospects_in_call ON prospects (updated_at) WHERE state = 'in_call';

CREATE UNIQUE INDEX uq_prospects_campaign_id_external_id ON prospects (campaign_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE calls (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    campaign_id UUID,
    prospect_id UUID,
    contact_id UUID,
    agent_id UUID,
    carrier_account_id UUID,
    phone_number_id UUID,
    from_phone TEXT,
    to_phone TEXT,
    attempt SMALLINT DEFAULT '1' NOT NULL,
    channel TEXT DEFAULT 'phone' NOT NULL,
    direction TEXT DEFAULT 'outbound' NOT NULL,
    carrier TEXT,
    carrier_call_id TEXT,
    state TEXT DEFAULT 'claimed' NOT NULL,
    disposition TEXT,
    outcome TEXT,
    deferred_reason TEXT,
    settings_version BIGINT,
    claimed_at TIMESTAMP WITH TIME ZONE,
    gated_at TIMESTAMP WITH TIME ZONE,
    dialed_at TIMESTAMP WITH TIME ZONE,
    accepted_at TIMESTAMP WITH TIME ZONE,
    ringing_at TIMESTAMP WITH TIME ZONE,
    answered_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    deadline_at TIMESTAMP WITH TIME ZONE,
    cancel_reason TEXT,
    hang_up_at TIMESTAMP WITH TIME ZONE,
    hang_up_sent_at TIMESTAMP WITH TIME ZONE,
    late_at TIMESTAMP WITH TIME ZONE,
    amd_due_at TIMESTAMP WITH TIME ZONE,
    answered_by TEXT,
    message_played BOOLEAN DEFAULT false NOT NULL,
    sip_code BIGINT,
    error_code BIGINT,
    talk_seconds BIGINT,
    cost NUMERIC,
    recording_url TEXT,
    detected_language TEXT,
    next_state TEXT,
    next_due_at TIMESTAMP WITH TIME ZONE,
    next_reason TEXT,
    notes TEXT,
    variables JSONB DEFAULT '{}' NOT NULL,
    traced BOOLEAN DEFAULT true NOT NULL,
    workspace_id UUID NOT NULL,
    id UUID DEFAULT uuidv7() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_calls PRIMARY KEY (id),
    CONSTRAINT ck_calls_state_known CHECK (state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown', 'ended', 'deferred')),
    CONSTRAINT ck_calls_ended_has_disposition CHECK ((state = 'ended') = (disposition IS NOT NULL)),
    CONSTRAINT uq_calls_number UNIQUE (number),
    CONSTRAINT fk_calls_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    CONSTRAINT fk_calls_prospect_id FOREIGN KEY(prospect_id) REFERENCES prospects (id),
    CONSTRAINT fk_calls_contact_id FOREIGN KEY(contact_id) REFERENCES contacts (id),
    CONSTRAINT fk_calls_agent_id FOREIGN KEY(agent_id) REFERENCES agents (id),
    CONSTRAINT fk_calls_carrier_account_id FOREIGN KEY(carrier_account_id) REFERENCES carrier_accounts (id),
    CONSTRAINT fk_calls_phone_number_id FOREIGN KEY(phone_number_id) REFERENCES phone_numbers (id),
    CONSTRAINT fk_calls_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX ix_calls_campaign_id ON calls (campaign_id, created_at, id);

CREATE INDEX ix_calls_contact_id ON calls (contact_id, created_at);

CREATE INDEX ix_calls_deadline ON calls (deadline_at) WHERE state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown');

CREATE INDEX ix_calls_live_account ON calls (carrier_account_id, state) WHERE state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown');

CREATE INDEX ix_calls_live_campaign ON calls (campaign_id, state) WHERE state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown');

CREATE INDEX ix_calls_live_number ON calls (phone_number_id, state) WHERE state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown');

CREATE INDEX ix_calls_live_workspace ON calls (workspace_id, state) WHERE state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown');

CREATE INDEX ix_calls_amd_due ON calls (amd_due_at) WHERE amd_due_at IS NOT NULL;

CREATE INDEX ix_calls_late ON calls (late_at) WHERE late_at IS NOT NULL AND hang_up_sent_at IS NULL;

CREATE INDEX ix_calls_number_dialed ON calls (phone_number_id, dialed_at);

CREATE INDEX ix_calls_prospect_id ON calls (prospect_id, created_at);

CREATE INDEX ix_calls_workspace_id ON calls (workspace_id, created_at, id);

CREATE UNIQUE INDEX uq_calls_carrier_call_id ON calls (carrier_account_id, carrier_call_id) WHERE carrier_call_id IS NOT NULL;

CREATE UNIQUE INDEX uq_calls_live_contact ON calls (contact_id) WHERE state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown');

CREATE UNIQUE INDEX uq_calls_live_route ON calls (carrier_account_id, from_phone, to_phone) WHERE state IN ('claimed', 'dialing', 'accepted', 'ringing', 'in_progress', 'unknown');

CREATE UNIQUE INDEX uq_calls_prospect_id_attempt ON calls (prospect_id, attempt) WHERE state <> 'deferred';

CREATE TABLE call_events (
    id UUID DEFAULT uuidv7() NOT NULL,
    workspace_id UUID NOT NULL,
    call_id UUID NOT NULL,
    kind TEXT NOT NULL,
    dedupe TEXT NOT NULL,
    carrier_call_id TEXT,
    status TEXT,
    sequence BIGINT,
    occurred_at TIMESTAMP WITH TIME ZONE,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    payload JSONB NOT NULL,
    CONSTRAINT pk_call_events PRIMARY KEY (id),
    CONSTRAINT uq_call_events_call_id_dedupe UNIQUE (call_id, dedupe),
    CONSTRAINT fk_call_events_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_call_events_call_id FOREIGN KEY(call_id) REFERENCES calls (id)
);

-- Counts are kept where states change, whatever code changes them. Slots spread the writes of concurrent transactions.

CREATE FUNCTION tally_prospects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tallies AS t (workspace_id, campaign_id, kind, key, slot, n)
        SELECT workspace_id, campaign_id, k.kind, k.key, (pg_backend_pid() % 8)::smallint, count(*)
        FROM new_rows, LATERAL (VALUES ('state', state), ('attempts', attempts::text)) AS k(kind, key)
        GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4
        ON CONFLICT (campaign_id, kind, key, slot) DO UPDATE SET n = t.n + excluded.n;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tallies AS t (workspace_id, campaign_id, kind, key, slot, n)
        SELECT workspace_id, campaign_id, k.kind, k.key, (pg_backend_pid() % 8)::smallint, -count(*)
        FROM old_rows, LATERAL (VALUES ('state', state), ('attempts', attempts::text)) AS k(kind, key)
        GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4
        ON CONFLICT (campaign_id, kind, key, slot) DO UPDATE SET n = t.n + excluded.n;
    ELSE
        INSERT INTO tallies AS t (workspace_id, campaign_id, kind, key, slot, n)
        SELECT workspace_id, campaign_id, kind, key, (pg_backend_pid() % 8)::smallint, sum(change)
        FROM (
            SELECT workspace_id, campaign_id, k.kind, k.key, 1 AS change
            FROM new_rows, LATERAL (VALUES ('state', state), ('attempts', attempts::text)) AS k(kind, key)
            UNION ALL
            SELECT workspace_id, campaign_id, k.kind, k.key, -1
            FROM old_rows, LATERAL (VALUES ('state', state), ('attempts', attempts::text)) AS k(kind, key)
        ) AS changes
        GROUP BY 1, 2, 3, 4 HAVING sum(change) <> 0 ORDER BY 2, 3, 4
        ON CONFLICT (campaign_id, kind, key, slot) DO UPDATE SET n = t.n + excluded.n;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER tally_inserted AFTER INSERT ON prospects REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tally_prospects();
CREATE TRIGGER tally_updated AFTER UPDATE ON prospects REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tally_prospects();
CREATE TRIGGER tally_deleted AFTER DELETE ON prospects REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tally_prospects();

-- What one call adds to its campaign's counts; hours are UTC.
CREATE FUNCTION call_counts(c calls) RETURNS TABLE (kind text, key text, n numeric) LANGUAGE sql IMMUTABLE AS $$
    SELECT v.kind, v.key, v.n FROM (VALUES
        ('dialed', 'all', CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' THEN 1 END),
        ('dialed_in', to_char(c.dialed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'),
            CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' THEN 1 END),
        ('answered', 'all', CASE WHEN c.answered_at IS NOT NULL THEN 1 END),
        ('answered_in', to_char(c.answered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'),
            CASE WHEN c.answered_at IS NOT NULL THEN 1 END),
        ('disposition', c.disposition, CASE WHEN c.disposition IS NOT NULL THEN 1 END),
        ('outcome', c.outcome, CASE WHEN c.outcome IS NOT NULL THEN 1 END),
        ('talk_seconds', 'all', c.talk_seconds),
        ('cost', 'all', c.cost)
    ) AS v(kind, key, n) WHERE v.n IS NOT NULL
$$;

CREATE FUNCTION tally_calls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallies AS t (workspace_id, campaign_id, kind, key, slot, n)
    SELECT NEW.workspace_id, NEW.campaign_id, kind, key, (pg_backend_pid() % 8)::smallint, sum(n)
    FROM (
        SELECT kind, key, n FROM call_counts(NEW)
        UNION ALL
        SELECT kind, key, -n FROM call_counts(OLD)
    ) AS changes
    GROUP BY 3, 4 HAVING sum(n) <> 0 ORDER BY 3, 4
    ON CONFLICT (campaign_id, kind, key, slot) DO UPDATE SET n = t.n + excluded.n;
    RETURN NULL;
END
$$;

CREATE TRIGGER tally_updated AFTER UPDATE ON calls FOR EACH ROW
    WHEN (NEW.campaign_id IS NOT NULL AND (
        OLD.dialed_at, OLD.answered_at, OLD.disposition, OLD.outcome, OLD.talk_seconds, OLD.cost, OLD.state = 'deferred'
    ) IS DISTINCT FROM (
        NEW.dialed_at, NEW.answered_at, NEW.disposition, NEW.outcome, NEW.talk_seconds, NEW.cost, NEW.state = 'deferred'
    ))
    EXECUTE FUNCTION tally_calls();

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = dialer_now();
    RETURN NEW;
END
$$;

-- A transaction sees one workspace, or asks for all by name; one that says nothing sees nothing.
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN
        SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables i USING (table_schema, table_name)
        WHERE c.table_schema = current_schema() AND c.column_name = 'workspace_id' AND i.table_type = 'BASE TABLE'
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format(
            'CREATE POLICY one_workspace ON %I USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()))', t);
    END LOOP;
    ALTER TABLE workspaces ENABLE ROW LEVEL SECURITY;
    ALTER TABLE workspaces FORCE ROW LEVEL SECURITY;
    CREATE POLICY one_workspace ON workspaces USING (id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()));
    FOR t IN
        SELECT table_name FROM information_schema.columns WHERE table_schema = current_schema() AND column_name = 'updated_at'
    LOOP
        EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION touch_updated_at()', t);
    END LOOP;
END
$$;
