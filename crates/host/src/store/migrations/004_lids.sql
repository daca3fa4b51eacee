-- Frozen. Which number a LID belongs to, as messages told (M9): WhatsApp's library forgets in a restart what a backlog told it.
CREATE TABLE lids (
    lid TEXT PRIMARY KEY,
    jid TEXT NOT NULL
) STRICT;
