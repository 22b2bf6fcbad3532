-- Every version of a campaign's settings, whole, and how many calls were dialed under each.

CREATE TABLE setting_versions (
    id UUID DEFAULT uuidv7() NOT NULL,
    workspace_id UUID NOT NULL,
    campaign_id UUID NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT dialer_now() NOT NULL,
    created_by TEXT,
    restored_from BIGINT,
    name TEXT,
    agent_id UUID,
    caller_numbers TEXT[],
    settings JSONB NOT NULL,
    CONSTRAINT pk_setting_versions PRIMARY KEY (id),
    CONSTRAINT uq_setting_versions_campaign_id_version UNIQUE (campaign_id, version),
    CONSTRAINT fk_setting_versions_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id),
    CONSTRAINT fk_setting_versions_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

ALTER TABLE setting_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE setting_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY one_workspace ON setting_versions
    USING (workspace_id = (SELECT dialer_workspace()) OR (SELECT dialer_all_workspaces()));

CREATE FUNCTION note_settings(c campaigns, by_whom text, restored bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO setting_versions (workspace_id, campaign_id, version, created_by, restored_from, name, agent_id,
        caller_numbers, settings)
    VALUES (c.workspace_id, c.id, c.settings_version, by_whom, restored, c.name, c.agent_id,
        ARRAY(SELECT n.phone FROM campaign_numbers m JOIN phone_numbers n ON n.id = m.phone_number_id
            WHERE m.campaign_id = c.id ORDER BY m.position), c.settings)
    ON CONFLICT (campaign_id, version) DO NOTHING
$$;

-- Whatever code makes a version without noting it, it is noted when the transaction commits, with its caller numbers.
CREATE FUNCTION note_new_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_settings(NEW, CASE WHEN TG_OP = 'INSERT' THEN NEW.created_by END, NULL);
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER noted_settings AFTER INSERT ON campaigns
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_new_settings();
CREATE CONSTRAINT TRIGGER noted_new_settings AFTER UPDATE ON campaigns
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.settings_version IS DISTINCT FROM NEW.settings_version) EXECUTE FUNCTION note_new_settings();

-- What was in force before: the settings of each version are in the history of what calls are judged by. Who changed
-- them, their name, agent and caller numbers are known of the present version only.
INSERT INTO setting_versions (workspace_id, campaign_id, version, created_at, created_by, settings)
    SELECT DISTINCT ON (c.id, version) c.workspace_id, c.id, (h.facts ->> 'settings_version')::bigint AS version, h.at,
        CASE WHEN (h.facts ->> 'settings_version')::bigint = 1 THEN c.created_by END, h.facts -> 'settings'
    FROM campaigns c JOIN changes h ON h.subject = 'campaign' AND h.subject_id = c.id
    WHERE (h.facts ->> 'settings_version')::bigint < c.settings_version
    ORDER BY c.id, version, h.at, h.id;
INSERT INTO setting_versions (workspace_id, campaign_id, version, created_at, created_by, name, agent_id,
        caller_numbers, settings)
    SELECT c.workspace_id, c.id, c.settings_version,
        coalesce((SELECT min(h.at) FROM changes h WHERE h.subject = 'campaign' AND h.subject_id = c.id
            AND (h.facts ->> 'settings_version')::bigint = c.settings_version), c.created_at),
        CASE WHEN c.settings_version = 1 THEN c.created_by END, c.name, c.agent_id,
        ARRAY(SELECT n.phone FROM campaign_numbers m JOIN phone_numbers n ON n.id = m.phone_number_id
            WHERE m.campaign_id = c.id ORDER BY m.position), c.settings
    FROM campaigns c;

-- As before, and by version.
CREATE OR REPLACE FUNCTION call_counts(c calls) RETURNS TABLE (kind text, key text, n numeric)
    LANGUAGE sql IMMUTABLE AS $$
    SELECT v.kind, v.key, v.n FROM (VALUES
        ('dialed', 'all', CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' THEN 1 END),
        ('dialed_in', to_char(c.dialed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'),
            CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' THEN 1 END),
        ('version', c.settings_version::text,
            CASE WHEN c.dialed_at IS NOT NULL AND c.state <> 'deferred' AND c.settings_version IS NOT NULL THEN 1 END),
        ('answered', 'all', CASE WHEN c.answered_at IS NOT NULL THEN 1 END),
        ('answered_in', to_char(c.answered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'),
            CASE WHEN c.answered_at IS NOT NULL THEN 1 END),
        ('disposition', c.disposition, CASE WHEN c.disposition IS NOT NULL THEN 1 END),
        ('outcome', c.outcome, CASE WHEN c.outcome IS NOT NULL THEN 1 END),
        ('talk_seconds', 'all', c.talk_seconds),
        ('cost', 'all', c.cost)
    ) AS v(kind, key, n) WHERE v.n IS NOT NULL
$$;

INSERT INTO tallies (workspace_id, campaign_id, kind, key, slot, n)
    SELECT workspace_id, campaign_id, 'version', settings_version::text, 0, count(*) FROM calls
    WHERE campaign_id IS NOT NULL AND settings_version IS NOT NULL AND dialed_at IS NOT NULL AND state <> 'deferred'
    GROUP BY 1, 2, 4;
