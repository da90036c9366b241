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
INSERT INTO "audit" VALUES(1,1.79583205615704822539e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1.0],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true],"headers":[null,{}],"models":[null,[]]}');
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
INSERT INTO "backends" VALUES(1,'sora','{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:9","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":true}','environment',1.79583205612225723269e+09,'{"name":"sora","kind":"sora","base_url":"http://127.0.0.1:9","models":null,"options":{"max_images_per_day":null,"extra_headers":{}},"enabled":true}',NULL);
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-11d3abf4ccd0190a8f8e4b829a706d7f','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-11d3abf4ccd0190a8f8e4b829a706d7f',1,'picture','{"index":0,"name":"e9bcc63d0ea606adfedbb3d1534a47cf.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-11d3abf4ccd0190a8f8e4b829a706d7f',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-cea1ebc84c3ba44c73b2acdcde2c22e8',1,'picture','{"index":0,"name":"4a12d7917bf399aac11d64c96c314d7f.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-cea1ebc84c3ba44c73b2acdcde2c22e8',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-5ddbd505899ff3b148518d8383a86cf3',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
	assets JSON NOT NULL, backend TEXT, model TEXT, ignored JSON NOT NULL DEFAULT '[]', size JSON, calls JSON NOT NULL DEFAULT '[]', usage JSON, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-11d3abf4ccd0190a8f8e4b829a706d7f','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:48251/"}}',1.79583193302156925198e+09,'completed','e0df18cbc24bd027','task_1',1.79583193302957320209e+09,1,0,NULL,1.79583193326189112667e+09,'[{"url":"http://127.0.0.1:39391/media/task_1.gif","width":null,"height":null,"id":null}]',NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(2,'chatcmpl-cea1ebc84c3ba44c73b2acdcde2c22e8','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"f7e9b3c6ea98faf13a855ee0d91c8814.gif","include_usage":false,"metadata":{}}',1.79583193332007050521e+09,'completed','e0df18cbc24bd027','task_2',1.79583193333071732518e+09,1,0,NULL,1.79583193336352467534e+09,'[{"url":"http://127.0.0.1:39391/media/task_2.gif","width":null,"height":null,"id":null}]',NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(3,'chatcmpl-5ddbd505899ff3b148518d8383a86cf3','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583193339518022539e+09,'failed','e0df18cbc24bd027',NULL,1.79583193339772534367e+09,1,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(4,'chatcmpl-dc0f5283b0d0f3ac2cdbebd18ecf5f26','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1795831933.42573,'running','e0df18cbc24bd027','task_3',1.79583193342773270607e+09,1,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-3bd5d17b2e341f3cddfff79945db2e9c','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583193345291924477e+09,'submitting','e0df18cbc24bd027',NULL,1.79583193345488762856e+09,1,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-af2d6a0ab66aca2bc62c138323b9814d','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"dbc5e4ba88cd65661d5e8f0f77c52ce2.gif","include_usage":false,"metadata":{}}',1.7958319334830973148e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL,'[]',NULL,'[]',NULL);
CREATE TABLE keys (number INTEGER NOT NULL, id TEXT NOT NULL, token TEXT NOT NULL,
 config JSON NOT NULL, origin TEXT NOT NULL, created_at FLOAT NOT NULL, imported JSON, memory JSON, backend TEXT NOT NULL DEFAULT '',
 PRIMARY KEY (number), UNIQUE (id), UNIQUE (token));
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}','environment',1.79583205615430760385e+09,'{"key":"upstream-token-of-the-tests","weight":1.0,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null,"base_url":null,"headers":{},"models":[],"region":null}',NULL,'');
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('e9bcc63d0ea606adfedbb3d1534a47cf.gif','chatcmpl-11d3abf4ccd0190a8f8e4b829a706d7f');
INSERT INTO "pictures" VALUES('4a12d7917bf399aac11d64c96c314d7f.gif','chatcmpl-cea1ebc84c3ba44c73b2acdcde2c22e8');
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
INSERT INTO "starts" VALUES(1);
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
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
CREATE INDEX ix_submissions_at ON submissions (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',1);
COMMIT;
PRAGMA user_version = 7;
