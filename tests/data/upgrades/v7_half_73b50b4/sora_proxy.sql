BEGIN TRANSACTION;
CREATE TABLE audit (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	who TEXT NOT NULL, 
	address TEXT, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	changes JSON NOT NULL
);
INSERT INTO "audit" VALUES(1,1.79583196269149088859e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(2,1.79583196270300817485e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
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
INSERT INTO "conversations" VALUES(1,'chatcmpl-1ab39e16ad8d843d40a39c97ff95c400','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-1ab39e16ad8d843d40a39c97ff95c400',1,'picture','{"index":0,"name":"b35f17d49a27b9edd7596b78f2410ba5.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-1ab39e16ad8d843d40a39c97ff95c400',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-aee2a837d75bc2416e0d4fa3c55121af',1,'picture','{"index":0,"name":"4844810976946f1531818d177f899f8f.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-aee2a837d75bc2416e0d4fa3c55121af',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-99dde81a4174202d2d3e156a8ebc3975',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
	ended_at FLOAT, backend TEXT, model TEXT, ignored JSON NOT NULL DEFAULT '[]', size JSON, calls JSON NOT NULL DEFAULT '[]', usage JSON, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-1ab39e16ad8d843d40a39c97ff95c400','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:38755/"}}',1.79583196270999145512e+09,'completed','e0df18cbc24bd027','task_1',1.79583196271883296967e+09,1,0,NULL,1.79583196294345927238e+09,'[{"url":"http://127.0.0.1:43345/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583196300658059119e+09,NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(2,'chatcmpl-aee2a837d75bc2416e0d4fa3c55121af','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"896b42298f10d383a8cd28cbd7faac69.gif","include_usage":false,"metadata":{}}',1.79583196302349829671e+09,'completed','e0df18cbc24bd027','task_2',1.79583196303310132025e+09,1,0,NULL,1.79583196314510631563e+09,'[{"url":"http://127.0.0.1:43345/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583196315286731719e+09,NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(3,'chatcmpl-99dde81a4174202d2d3e156a8ebc3975','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583196316552186006e+09,'failed','e0df18cbc24bd027',NULL,1.7958319631678528786e+09,1,0,NULL,NULL,'[]',1.79583196317487287516e+09,NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(4,'chatcmpl-dfaccde471fe6397358e7168d0907e6d','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583196319587659831e+09,'running','e0df18cbc24bd027','task_3',1.79583196319803595547e+09,1,0,NULL,NULL,'[]',NULL,NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-c80d6e1e864d5039323c1418c370dec9','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583196322464251517e+09,'submitting','e0df18cbc24bd027',NULL,1.79583196322732353217e+09,1,0,NULL,NULL,'[]',NULL,NULL,NULL,'[]',NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-2817045ac071e0c838baa0424095bf09','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"374f33ac07147e66be70e44e3f2bfcb3.gif","include_usage":false,"metadata":{}}',1.7958319632553737164e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL,NULL,NULL,'[]',NULL,'[]',NULL);
CREATE TABLE keys (number INTEGER NOT NULL, id TEXT NOT NULL, token TEXT NOT NULL,
 config JSON NOT NULL, origin TEXT NOT NULL, created_at FLOAT NOT NULL, imported JSON, memory JSON, backend TEXT NOT NULL DEFAULT '',
 PRIMARY KEY (number), UNIQUE (id), UNIQUE (token));
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('b35f17d49a27b9edd7596b78f2410ba5.gif','chatcmpl-1ab39e16ad8d843d40a39c97ff95c400');
INSERT INTO "pictures" VALUES('4844810976946f1531818d177f899f8f.gif','chatcmpl-aee2a837d75bc2416e0d4fa3c55121af');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-1ab39e16ad8d843d40a39c97ff95c400','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583196270999145512e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-aee2a837d75bc2416e0d4fa3c55121af','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583196302349829671e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-99dde81a4174202d2d3e156a8ebc3975','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583196316552186006e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-dfaccde471fe6397358e7168d0907e6d','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583196319587659831e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-c80d6e1e864d5039323c1418c370dec9','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583196322464251517e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-2817045ac071e0c838baa0424095bf09','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.7958319632553737164e+09);
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('VERBOSE_LOGGING','true');
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
INSERT INTO "submissions" VALUES('chatcmpl-1ab39e16ad8d843d40a39c97ff95c400',1,'e0df18cbc24bd027',1.79583196283753871924e+09);
INSERT INTO "submissions" VALUES('chatcmpl-aee2a837d75bc2416e0d4fa3c55121af',1,'e0df18cbc24bd027',1.79583196303984904285e+09);
INSERT INTO "submissions" VALUES('chatcmpl-99dde81a4174202d2d3e156a8ebc3975',1,'e0df18cbc24bd027',1.79583196317740178106e+09);
INSERT INTO "submissions" VALUES('chatcmpl-dfaccde471fe6397358e7168d0907e6d',1,'e0df18cbc24bd027',1.7958319632054784298e+09);
INSERT INTO "submissions" VALUES('chatcmpl-c80d6e1e864d5039323c1418c370dec9',1,'e0df18cbc24bd027',1.7958319632303695679e+09);
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
INSERT INTO "usage" VALUES('e0df18cbc24bd027','2026-11-28',5,3,1,2,0,2);
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
CREATE INDEX ix_submissions_at ON submissions (at);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_webhook_outbox_due_at ON webhook_outbox (due_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',2);
COMMIT;
PRAGMA user_version = 7;
