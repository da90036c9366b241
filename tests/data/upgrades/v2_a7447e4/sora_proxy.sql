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
INSERT INTO "audit" VALUES(1,1.79583195289633917803e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(2,1.79583195290743637085e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-1e2d748b4c53c024f5c0d3834761be4b','1286f4dd85c5f006','[["user","a red fox"]]');
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-1e2d748b4c53c024f5c0d3834761be4b',1,'picture','{"index":0,"name":"b21ff321fda138e4423cc37bf6ca7ede.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-1e2d748b4c53c024f5c0d3834761be4b',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-5d0bf65081659b5871ca03420034f4b1',1,'picture','{"index":0,"name":"6185440bd741148a2c6591c2cca76f6a.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-5d0bf65081659b5871ca03420034f4b1',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-c43552bfe717194500a6325deb42eaba',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-1e2d748b4c53c024f5c0d3834761be4b','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:57307/"}}',1795831952.91475,'completed','e0df18cbc24bd027','task_1',1.79583195292314624783e+09,1,0,NULL,1795831953.11348,'[{"url":"http://127.0.0.1:46153/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583195317147707942e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-5d0bf65081659b5871ca03420034f4b1','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"0a413f1765dfa7c9bba2600de943970a.gif","include_usage":false,"metadata":{}}',1.79583195319100046155e+09,'completed','e0df18cbc24bd027','task_2',1.79583195320189118382e+09,1,0,NULL,1.79583195331517505646e+09,'[{"url":"http://127.0.0.1:46153/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583195332180857659e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-c43552bfe717194500a6325deb42eaba','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583195333174419402e+09,'failed','e0df18cbc24bd027',NULL,1.79583195333437705036e+09,1,0,NULL,NULL,'[]',1.79583195334087300301e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-08742237ca1480f5161ecf6bde95fbd2','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583195336355590818e+09,'running','e0df18cbc24bd027','task_3',1.79583195336656045908e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-6e305fc7fe7d9ba04752ccdcb40bd321','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.7958319533933334351e+09,'submitting','e0df18cbc24bd027',NULL,1.79583195339616227153e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-a2b85cf71fb2c907efa9b472a0910b0e','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"56c78a77e7e1cb058ca80e815b4b23c9.gif","include_usage":false,"metadata":{}}',1.79583195342622852323e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('b21ff321fda138e4423cc37bf6ca7ede.gif','chatcmpl-1e2d748b4c53c024f5c0d3834761be4b');
INSERT INTO "pictures" VALUES('6185440bd741148a2c6591c2cca76f6a.gif','chatcmpl-5d0bf65081659b5871ca03420034f4b1');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-1e2d748b4c53c024f5c0d3834761be4b','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1795831952.91475);
INSERT INTO "sent_requests" VALUES('chatcmpl-5d0bf65081659b5871ca03420034f4b1','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583195319100046155e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-c43552bfe717194500a6325deb42eaba','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583195333174419402e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-08742237ca1480f5161ecf6bde95fbd2','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583195336355590818e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-6e305fc7fe7d9ba04752ccdcb40bd321','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.7958319533933334351e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-a2b85cf71fb2c907efa9b472a0910b0e','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583195342622852323e+09);
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
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',2);
COMMIT;
PRAGMA user_version = 2;
