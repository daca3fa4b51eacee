-- Frozen: a database in the field has run this. A change is a new file, never an edit here.

-- The way of each message that came in, a row a step; only the newest messages have one (`chats trace`). Of what goes out the
-- outbox tells the same.
CREATE TABLE trace (
    -- messages.seq
    message INTEGER NOT NULL,
    step TEXT NOT NULL,
    at TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX trace_by_message ON trace (message);

ALTER TABLE outbox ADD COLUMN sent_at TEXT;

-- What the owner asks of NanoClaw itself: handed to no agent (`/status`, `/stop`).
ALTER TABLE messages ADD COLUMN for_host TEXT CHECK (for_host IN ('waits', 'answered'));
CREATE INDEX messages_for_host ON messages (seq) WHERE for_host = 'waits';
