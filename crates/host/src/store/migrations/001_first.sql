-- Frozen: a database in the field has run this. A change is a new file, never an edit here.
-- The first seven tables keep the names and columns of the Node.js service's database.

CREATE TABLE chats (
    jid TEXT PRIMARY KEY,
    name TEXT,
    last_message_time TEXT
);

-- `seq` is the order of arrival (C2); one message is (chat, sender, id) (M12).
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    chat_jid TEXT NOT NULL REFERENCES chats (jid),
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    content TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    is_from_me INTEGER NOT NULL,
    is_bot_message INTEGER NOT NULL,
    UNIQUE (chat_jid, sender, id)
);
CREATE INDEX messages_by_arrival ON messages (chat_jid, seq);

CREATE TABLE scheduled_tasks (
    id TEXT PRIMARY KEY,
    group_folder TEXT NOT NULL,
    chat_jid TEXT NOT NULL,
    prompt TEXT NOT NULL,
    schedule_type TEXT NOT NULL,
    schedule_value TEXT NOT NULL,
    context_mode TEXT NOT NULL DEFAULT 'isolated',
    next_run TEXT,
    last_run TEXT,
    last_result TEXT,
    status TEXT NOT NULL DEFAULT 'active',
    created_at TEXT NOT NULL,
    -- Set from when it is due until its run has ended (S2).
    claimed_at TEXT
);
CREATE INDEX scheduled_tasks_by_due ON scheduled_tasks (status, next_run);

CREATE TABLE task_run_logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id TEXT NOT NULL,
    run_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    result TEXT,
    error TEXT,
    due_at TEXT
);
CREATE INDEX task_run_logs_by_task ON task_run_logs (task_id, run_at);

CREATE TABLE router_state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE sessions (
    group_folder TEXT PRIMARY KEY,
    session_id TEXT NOT NULL
);

CREATE TABLE registered_groups (
    jid TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folder TEXT NOT NULL UNIQUE,
    trigger_pattern TEXT,
    added_at TEXT NOT NULL,
    container_config TEXT,
    requires_trigger INTEGER NOT NULL DEFAULT 1
);

-- Below: what the Node.js service kept in memory or in one JSON value.

-- The last message that a chat's agent was given (C1).
CREATE TABLE cursors (
    chat_jid TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

-- Hand-overs without a result yet (C1). A row goes when its result is in the outbox, or when its run's end is settled.
CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    chat_jid TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL
) STRICT;
CREATE INDEX turns_by_run ON turns (run);

-- Texts on their way out, in order per chat, each with its WhatsApp message id (M13).
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    chat_jid TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'acked', 'failed')),
    created_at TEXT NOT NULL,
    settled_at TEXT,
    error TEXT
) STRICT;
CREATE INDEX outbox_queued ON outbox (seq) WHERE state = 'queued';
CREATE INDEX outbox_failed ON outbox (seq) WHERE state = 'failed';
