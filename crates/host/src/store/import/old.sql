CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TEXT);
CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, sender_name TEXT, content TEXT, timestamp TEXT,
    is_from_me INTEGER, is_bot_message INTEGER DEFAULT 0, PRIMARY KEY (id, chat_jid));
CREATE TABLE scheduled_tasks (id TEXT PRIMARY KEY, group_folder TEXT NOT NULL, chat_jid TEXT NOT NULL, prompt TEXT NOT NULL,
    schedule_type TEXT NOT NULL, schedule_value TEXT NOT NULL, next_run TEXT, last_run TEXT, last_result TEXT,
    status TEXT DEFAULT 'active', created_at TEXT NOT NULL);
CREATE TABLE task_run_logs (id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, run_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL, status TEXT NOT NULL, result TEXT, error TEXT);
CREATE TABLE router_state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sessions (group_folder TEXT PRIMARY KEY, session_id TEXT NOT NULL);
CREATE TABLE registered_groups (jid TEXT PRIMARY KEY, name TEXT NOT NULL, folder TEXT NOT NULL UNIQUE,
    trigger_pattern TEXT NOT NULL, added_at TEXT NOT NULL, container_config TEXT, requires_trigger INTEGER DEFAULT 1);

INSERT INTO chats VALUES ('1@g.us', 'Family', '2026-01-02T08:00:01.000Z'),
    ('4915110000001@s.whatsapp.net', 'Me', '2026-01-02T09:00:00.000Z'),
    ('2@g.us', 'Work', '2026-01-01T00:00:00.000Z'),
    ('__group_sync__', '__group_sync__', '2026-01-01T00:00:00.000Z');
INSERT INTO messages VALUES
    ('A', '1@g.us', '15550001111@s.whatsapp.net', 'Alice', 'hello', '2026-01-02T08:00:00.000Z', 0, 0),
    ('B', '1@g.us', '15550001111@s.whatsapp.net', NULL, 'Nano: hi', '2026-01-02T08:00:00.500Z', 1, 1),
    ('C', '1@g.us', '15550001111@s.whatsapp.net', 'Alice', '@Nano and now?', '2026-01-02T08:00:01.000Z', 0, 0),
    ('D', '4915110000001@s.whatsapp.net', '4915110000001@s.whatsapp.net', 'Me', 'remember', '2026-01-02T09:00:00.000Z', 1, 0),
    ('E', '1@g.us', '15550001111@s.whatsapp.net', 'Alice', '', '2026-01-02T08:00:02.000Z', 0, 0);
INSERT INTO registered_groups VALUES
    ('4915110000001@s.whatsapp.net', 'Me', 'main', '@Nano', '2026-01-01T00:00:00.000Z', NULL, 1),
    ('1@g.us', 'Family', 'family', '@Nano', '2026-01-01T00:00:00.000Z', '{"additionalMounts":[{"hostPath":"~/photos"}]}', 1),
    ('2@g.us', 'Work', 'My Work', '@Nano', '2026-01-01T00:00:00.000Z', NULL, 1);
INSERT INTO router_state VALUES ('last_timestamp', '2026-01-02T09:00:00.000Z'),
    ('last_agent_timestamp', '{"1@g.us":"2026-01-02T08:00:00.500Z","4915110000001@s.whatsapp.net":"2026-01-02T09:00:00.000Z"}');
INSERT INTO sessions VALUES ('family', 'kiro:family');
INSERT INTO scheduled_tasks VALUES
    ('task-1', 'family', '1@g.us', 'water the plants', 'cron', '0 9 * * *', '2026-01-03T09:00:00.000Z', NULL, NULL, 'active', '2026-01-01T00:00:00.000Z'),
    ('orphan', 'gone', '9@g.us', 'nothing', 'interval', '60000', NULL, NULL, NULL, 'paused', '2026-01-01T00:00:00.000Z');
INSERT INTO task_run_logs (task_id, run_at, duration_ms, status, result, error) VALUES
    ('task-1', '2026-01-01T09:00:00.000Z', 1200, 'success', 'done', NULL),
    ('task-1', '2026-01-02T09:00:00.000Z', 900, 'error', NULL, 'no water'),
    ('orphan', '2026-01-02T09:00:00.000Z', 900, 'error', NULL, 'no');
