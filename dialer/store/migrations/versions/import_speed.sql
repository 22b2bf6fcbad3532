-- What new rows refer to exists, and is locked until the transaction ends, so that nobody deletes it meanwhile.

CREATE FUNCTION prospects_refer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM campaigns WHERE id = ANY(ARRAY(SELECT DISTINCT campaign_id FROM new_rows)) FOR KEY SHARE;
    PERFORM FROM imports WHERE id = ANY(ARRAY(SELECT DISTINCT import_id FROM new_rows)) FOR KEY SHARE;
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT campaign_id, workspace_id FROM new_rows) r
        WHERE NOT EXISTS (SELECT FROM campaigns c WHERE c.id = r.campaign_id AND c.workspace_id = r.workspace_id)
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a prospect without its campaign', TABLE = 'prospects',
            CONSTRAINT = 'fk_prospects_campaign_id';
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT import_id FROM new_rows WHERE import_id IS NOT NULL) r
        WHERE NOT EXISTS (SELECT FROM imports i WHERE i.id = r.import_id)
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a prospect without its import', TABLE = 'prospects',
            CONSTRAINT = 'fk_prospects_import_id';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION contacts_refer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM workspaces WHERE id = ANY(ARRAY(SELECT DISTINCT workspace_id FROM new_rows)) FOR KEY SHARE;
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT workspace_id FROM new_rows) r
        WHERE NOT EXISTS (SELECT FROM workspaces w WHERE w.id = r.workspace_id)
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a contact without its workspace', TABLE = 'contacts',
            CONSTRAINT = 'fk_contacts_workspace_id';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refers AFTER INSERT ON prospects REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION prospects_refer();
CREATE TRIGGER refers AFTER INSERT ON contacts REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_refer();

-- Nothing moves from one parent to another.

CREATE FUNCTION stay_where_they_are() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' stay with what they refer to', TABLE = TG_TABLE_NAME;
END
$$;

CREATE TRIGGER stays BEFORE UPDATE OF workspace_id, campaign_id, import_id ON prospects FOR EACH ROW
    WHEN ((OLD.workspace_id, OLD.campaign_id) IS DISTINCT FROM (NEW.workspace_id, NEW.campaign_id)
        OR NEW.import_id IS NOT NULL AND OLD.import_id IS DISTINCT FROM NEW.import_id)
    EXECUTE FUNCTION stay_where_they_are();
CREATE TRIGGER stays BEFORE UPDATE OF workspace_id ON contacts FOR EACH ROW
    WHEN (OLD.workspace_id IS DISTINCT FROM NEW.workspace_id) EXECUTE FUNCTION stay_where_they_are();

-- Nothing is deleted, or given another id, that is referred to. Arguments: the table and column that may refer to it.

CREATE FUNCTION still_referred_to() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    referred boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I = $1)', TG_ARGV[0], TG_ARGV[1]) INTO referred USING OLD.id;
    IF referred THEN
        RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' are still referred to by ' || TG_ARGV[0],
            TABLE = TG_ARGV[0], CONSTRAINT = format('fk_%s_%s', TG_ARGV[0], TG_ARGV[1]);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER referred_to AFTER DELETE OR UPDATE OF id ON campaigns FOR EACH ROW
    EXECUTE FUNCTION still_referred_to('prospects', 'campaign_id');
CREATE TRIGGER referred_to AFTER DELETE OR UPDATE OF id ON imports FOR EACH ROW
    EXECUTE FUNCTION still_referred_to('prospects', 'import_id');
CREATE TRIGGER referred_to AFTER DELETE OR UPDATE OF id ON workspaces FOR EACH ROW
    EXECUTE FUNCTION still_referred_to('contacts', 'workspace_id');
