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
INSERT INTO "audit" VALUES(1,1.79583195769523620605e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(2,1.79583195770894289014e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-691792db6c4cae04a78aea0cf8267f84','1286f4dd85c5f006','[["user","a red fox"]]');
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-691792db6c4cae04a78aea0cf8267f84',1,'picture','{"index":0,"name":"5d03c9a7ea1c5c187729f413878cc43c.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-691792db6c4cae04a78aea0cf8267f84',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-341a0ce963a79c14d4a2b5bcafc9d65f',1,'picture','{"index":0,"name":"5c9ab6a8fabbb96ea22c2971fd7253e4.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-341a0ce963a79c14d4a2b5bcafc9d65f',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-176d0e6de0e9aee2fefc77e2956e5432',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
	ended_at FLOAT, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-691792db6c4cae04a78aea0cf8267f84','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:37725/"}}',1.79583195771893954278e+09,'completed','e0df18cbc24bd027','task_1',1.79583195772941279413e+09,1,0,NULL,1.79583195795292091369e+09,'[{"url":"http://127.0.0.1:36101/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583195800199484828e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-341a0ce963a79c14d4a2b5bcafc9d65f','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"eacf823a762d37057fbfcfb4d5ecc809.gif","include_usage":false,"metadata":{}}',1.79583195802054691311e+09,'completed','e0df18cbc24bd027','task_2',1.79583195802991294866e+09,1,0,NULL,1.79583195805321097372e+09,'[{"url":"http://127.0.0.1:36101/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583195805953598021e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-176d0e6de0e9aee2fefc77e2956e5432','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.7958319580721726418e+09,'failed','e0df18cbc24bd027',NULL,1.79583195807448053361e+09,1,0,NULL,NULL,'[]',1.79583195808076167103e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-1b00d29504159159e3bed2209069d4d7','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583195810170388219e+09,'running','e0df18cbc24bd027','task_3',1.79583195810488748553e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-8590a938542b9189fe9ce6911d315f03','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583195813254570963e+09,'submitting','e0df18cbc24bd027',NULL,1.79583195813535356514e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-68b0ee4745a888a5b78845802139f2fa','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"6a4ff6382823937de7b8caa16749190f.gif","include_usage":false,"metadata":{}}',1.79583195816928625106e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('5d03c9a7ea1c5c187729f413878cc43c.gif','chatcmpl-691792db6c4cae04a78aea0cf8267f84');
INSERT INTO "pictures" VALUES('5c9ab6a8fabbb96ea22c2971fd7253e4.gif','chatcmpl-341a0ce963a79c14d4a2b5bcafc9d65f');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-691792db6c4cae04a78aea0cf8267f84','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583195771893954278e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-341a0ce963a79c14d4a2b5bcafc9d65f','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583195802054691311e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-176d0e6de0e9aee2fefc77e2956e5432','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.7958319580721726418e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-1b00d29504159159e3bed2209069d4d7','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583195810170388219e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-8590a938542b9189fe9ce6911d315f03','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583195813254570963e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-68b0ee4745a888a5b78845802139f2fa','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583195816928625106e+09);
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('VERBOSE_LOGGING','true');
CREATE TABLE starts (
	number INTEGER NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "starts" VALUES(1);
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
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',2);
COMMIT;
PRAGMA user_version = 2;
