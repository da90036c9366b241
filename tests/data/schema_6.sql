BEGIN TRANSACTION;
CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	who TEXT NOT NULL, 
	address TEXT, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	changes JSON NOT NULL
);
CREATE TABLE backends (
	number INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	config JSON NOT NULL, 
	origin TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	imported JSON, 
	capabilities JSON, 
	PRIMARY KEY (number), 
	UNIQUE (name)
);
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
CREATE TABLE discarded_pictures (
	name TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000001',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000002',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000003',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',1,'queued','{"position":1,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',2,'progress','{"percent":50,"position":null,"seconds":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',3,'picture','{"index":0,"name":"00000000000000000000000000000001.png","url":null}');
INSERT INTO "events" VALUES('chatcmpl-00000000000000000000000000000004',4,'completed','{}');
CREATE TABLE generations (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	spec JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	status TEXT NOT NULL, 
	key_id TEXT, 
	task_id TEXT, 
	intent_at FLOAT, 
	attempts INTEGER NOT NULL, 
	lost INTEGER DEFAULT '0' NOT NULL, 
	listed JSON, 
	upstream_done_at FLOAT, 
	assets JSON NOT NULL, 
	backend TEXT, 
	model TEXT, 
	ignored JSON DEFAULT '[]' NOT NULL, 
	size JSON, 
	ended_at FLOAT, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-00000000000000000000000000000001','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":"00000000000000000000000000000002.png"}',1700000001.0,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,NULL);
INSERT INTO "generations" VALUES(2,'chatcmpl-00000000000000000000000000000002','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1700000002.0,'submitting','key',NULL,1700000001.0,1,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,NULL);
INSERT INTO "generations" VALUES(3,'chatcmpl-00000000000000000000000000000003','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1700000003.0,'running','key','task_1',1700000001.0,1,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,NULL);
INSERT INTO "generations" VALUES(4,'chatcmpl-00000000000000000000000000000004','0123456789abcdef','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1700000004.0,'completed','key','task_2',1700000001.0,1,0,NULL,1700000009.0,'[{"url":"https://example.com/1.png","width":720,"height":480}]',NULL,NULL,'[]',NULL,1700000010.0);
CREATE TABLE keys (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	token TEXT NOT NULL, 
	backend TEXT DEFAULT '' NOT NULL, 
	config JSON NOT NULL, 
	origin TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	imported JSON, 
	memory JSON, 
	PRIMARY KEY (number), 
	UNIQUE (id), 
	UNIQUE (token)
);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('00000000000000000000000000000001.png','chatcmpl-00000000000000000000000000000004');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE spending (
	backend TEXT NOT NULL, 
	day TEXT NOT NULL, 
	images INTEGER NOT NULL, 
	PRIMARY KEY (backend, day)
);
CREATE TABLE starts (
	number INTEGER NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "starts" VALUES(2);
CREATE TABLE submissions (
	generation_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	key_id TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (generation_id, attempt)
);
CREATE TABLE usage (
	key_id TEXT NOT NULL, 
	day TEXT NOT NULL, 
	sent INTEGER NOT NULL, 
	accepted INTEGER NOT NULL, 
	refused INTEGER NOT NULL, 
	completed INTEGER NOT NULL, 
	failed INTEGER NOT NULL, 
	pictures INTEGER NOT NULL, 
	PRIMARY KEY (key_id, day)
);
CREATE TABLE webhook_outbox (
	id TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	address TEXT NOT NULL, 
	host TEXT NOT NULL, 
	body TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	due_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (generation_id)
);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',0);
COMMIT;
PRAGMA user_version = 6;
