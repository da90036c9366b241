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
INSERT INTO "audit" VALUES(1,1.79583194297062134735e+09,'admin key','127.0.0.1','session.begin','','{}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-b6c45fdafed9adeab9e1569592794124','1286f4dd85c5f006','[["user","a red fox"]]');
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-b6c45fdafed9adeab9e1569592794124',1,'picture','{"index":0,"name":"19762029890fcb1fb0e3e5e9279d6977.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-b6c45fdafed9adeab9e1569592794124',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-7dc4e92b52ef62d4d002fd5476b30987',1,'picture','{"index":0,"name":"8573df0bae3cac952ba23cd288fd7914.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-7dc4e92b52ef62d4d002fd5476b30987',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-13bf82253e7ca98d3a1b266ee18ea82b',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-b6c45fdafed9adeab9e1569592794124','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:46961/"}}',1.79583194298753547665e+09,'completed','e0df18cbc24bd027','task_1',1.79583194300079226489e+09,1,0,NULL,1.79583194322676348688e+09,'[{"url":"http://127.0.0.1:45047/media/task_1.gif","width":null,"height":null,"id":null}]',1.795831943281525135e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-7dc4e92b52ef62d4d002fd5476b30987','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"ee0b28a525b3d1a74790490a1323da2d.gif","include_usage":false,"metadata":{}}',1.79583194329691815376e+09,'completed','e0df18cbc24bd027','task_2',1.79583194330615139003e+09,1,0,NULL,1.79583194332813501359e+09,'[{"url":"http://127.0.0.1:45047/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583194333695149425e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-13bf82253e7ca98d3a1b266ee18ea82b','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583194337498331066e+09,'failed','e0df18cbc24bd027',NULL,1.79583194337827420231e+09,1,0,NULL,NULL,'[]',1.79583194338585257535e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-45b99ca5a980c1d4a18464a0c162c686','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1795831943.40572,'running','e0df18cbc24bd027','task_3',1.79583194340892052655e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-7704c0136c5a9daaca00136bf7048f96','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583194343633627894e+09,'submitting','e0df18cbc24bd027',NULL,1.7958319434401881694e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-3f4c5d79a50fb4cd1f20391a3783f13c','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"b7dfac46ceae40cf299686b602265a42.gif","include_usage":false,"metadata":{}}',1.79583194345283198361e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('19762029890fcb1fb0e3e5e9279d6977.gif','chatcmpl-b6c45fdafed9adeab9e1569592794124');
INSERT INTO "pictures" VALUES('8573df0bae3cac952ba23cd288fd7914.gif','chatcmpl-7dc4e92b52ef62d4d002fd5476b30987');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-b6c45fdafed9adeab9e1569592794124','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583194298753547665e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-7dc4e92b52ef62d4d002fd5476b30987','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583194329691815376e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-13bf82253e7ca98d3a1b266ee18ea82b','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583194337498331066e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-45b99ca5a980c1d4a18464a0c162c686','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1795831943.40572);
INSERT INTO "sent_requests" VALUES('chatcmpl-7704c0136c5a9daaca00136bf7048f96','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583194343633627894e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-3f4c5d79a50fb4cd1f20391a3783f13c','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583194345283198361e+09);
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
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',1);
COMMIT;
PRAGMA user_version = 2;
