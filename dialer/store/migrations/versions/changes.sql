-- What was in force when: one row per change of what a call is judged by. Written by triggers, whatever code changes it.

CREATE TABLE changes (
    id UUID DEFAULT uuidv7() NOT NULL,
    workspace_id UUID NOT NULL,
    subject TEXT NOT NULL,
    subject_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    facts JSONB,
    CONSTRAINT pk_changes PRIMARY KEY (id),
    CONSTRAINT fk_changes_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);

CREATE INDEX ix_changes_subject ON changes (subject, subject_id, at);

CREATE INDEX ix_changes_workspace_id ON changes (workspace_id, at);

ALTER TABLE changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE changes FORCE ROW LEVEL SECURITY;
CREATE POLICY one_workspace ON changes
    USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()));

ALTER TABLE calls ADD COLUMN zone_set TEXT;

CREATE FUNCTION facts_of(c campaigns) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('status', c.status, 'control_version', c.control_version,
        'settings_version', c.settings_version, 'settings', c.settings, 'paused_reason', c.paused_reason,
        'max_concurrent', c.max_concurrent)
$$;

CREATE FUNCTION facts_of(w workspaces) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('max_concurrent', w.max_concurrent, 'calls_per_second', w.calls_per_second)
$$;

CREATE FUNCTION facts_of(a carrier_accounts) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('max_concurrent', a.max_concurrent, 'calls_per_second', a.calls_per_second,
        'account_sid', a.account_sid)
$$;

CREATE FUNCTION facts_of(n phone_numbers) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('phone', n.phone, 'carrier_account_id', n.carrier_account_id,
        'max_concurrent', n.max_concurrent, 'calls_per_second', n.calls_per_second, 'calls_per_day', n.calls_per_day)
$$;

CREATE FUNCTION facts_of(s suppressions) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('phone', s.phone, 'campaign_id', s.campaign_id)
$$;

-- One function for all: the trigger names the subject, and the row's type chooses its facts. An entry that is gone
-- leaves a row without facts.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    subject_row jsonb = to_jsonb(coalesce(NEW, OLD));
BEGIN
    INSERT INTO changes (workspace_id, subject, subject_id, facts)
    VALUES (coalesce(subject_row ->> 'workspace_id', subject_row ->> 'id')::uuid, TG_ARGV[0],
        (subject_row ->> 'id')::uuid, CASE WHEN TG_OP <> 'DELETE' THEN facts_of(NEW) END);
    RETURN NULL;
END
$$;

CREATE TRIGGER noted AFTER INSERT ON campaigns FOR EACH ROW EXECUTE FUNCTION note_change('campaign');
CREATE TRIGGER noted_change AFTER UPDATE ON campaigns FOR EACH ROW
    WHEN ((OLD.status, OLD.settings_version) IS DISTINCT FROM (NEW.status, NEW.settings_version)
        OR OLD.settings IS DISTINCT FROM NEW.settings)
    EXECUTE FUNCTION note_change('campaign');

CREATE TRIGGER noted AFTER INSERT ON workspaces FOR EACH ROW EXECUTE FUNCTION note_change('workspace');
CREATE TRIGGER noted_change AFTER UPDATE ON workspaces FOR EACH ROW
    WHEN (facts_of(OLD) IS DISTINCT FROM facts_of(NEW)) EXECUTE FUNCTION note_change('workspace');

CREATE TRIGGER noted AFTER INSERT ON carrier_accounts FOR EACH ROW EXECUTE FUNCTION note_change('carrier_account');
CREATE TRIGGER noted_change AFTER UPDATE ON carrier_accounts FOR EACH ROW
    WHEN (facts_of(OLD) IS DISTINCT FROM facts_of(NEW)) EXECUTE FUNCTION note_change('carrier_account');

CREATE TRIGGER noted AFTER INSERT ON phone_numbers FOR EACH ROW EXECUTE FUNCTION note_change('phone_number');
CREATE TRIGGER noted_change AFTER UPDATE ON phone_numbers FOR EACH ROW
    WHEN (facts_of(OLD) IS DISTINCT FROM facts_of(NEW)) EXECUTE FUNCTION note_change('phone_number');

CREATE TRIGGER noted AFTER INSERT OR DELETE ON suppressions FOR EACH ROW EXECUTE FUNCTION note_change('suppression');
CREATE TRIGGER noted_change AFTER UPDATE ON suppressions FOR EACH ROW
    WHEN (facts_of(OLD) IS DISTINCT FROM facts_of(NEW)) EXECUTE FUNCTION note_change('suppression');

-- What exists is known from now on.
INSERT INTO changes (workspace_id, subject, subject_id, facts)
    SELECT workspace_id, 'campaign', id, facts_of(c) FROM campaigns c
    UNION ALL SELECT id, 'workspace', id, facts_of(w) FROM workspaces w
    UNION ALL SELECT workspace_id, 'carrier_account', id, facts_of(a) FROM carrier_accounts a
    UNION ALL SELECT workspace_id, 'phone_number', id, facts_of(n) FROM phone_numbers n
    UNION ALL SELECT workspace_id, 'suppression', id, facts_of(s) FROM suppressions s;
