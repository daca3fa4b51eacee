-- Frozen. Messages that may call an agent by its trigger (M3), so that finding them costs the same however much else was said.
-- The spaces are those that Unicode and so the trigger's rule trims.
CREATE INDEX messages_calling ON messages (chat_jid, seq) WHERE NOT is_bot_message AND substr(ltrim(content, char(
    9, 10, 11, 12, 13, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202, 8232, 8233, 8239,
    8287, 12288)), 1, 1) = '@';
