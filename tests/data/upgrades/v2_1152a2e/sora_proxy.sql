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
INSERT INTO "audit" VALUES(1,1.79583196747503328325e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(2,1.79583196748465061189e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-f733907b2ef5ff82cd698ff8c608a52a','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-f733907b2ef5ff82cd698ff8c608a52a',1,'picture','{"index":0,"name":"d28b5c1dc5bd98e55eb6d29d4ceddb10.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-f733907b2ef5ff82cd698ff8c608a52a',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-6b7af3902ce82dfbc621dd0bd87dbc15',1,'picture','{"index":0,"name":"096094b68d36425da771ab78b1a9d4da.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-6b7af3902ce82dfbc621dd0bd87dbc15',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-78a9b6b3e2bd79c80ec0de581b4d003f',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-f733907b2ef5ff82cd698ff8c608a52a','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:43185/"},"keep":false,"format":null,"compression":null}',1.79583196749102663994e+09,'completed','e0df18cbc24bd027','task_1',1.79583196749673199652e+09,1,0,NULL,1.79583196772658038138e+09,'[{"url":"http://127.0.0.1:38845/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583196777626442905e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-6b7af3902ce82dfbc621dd0bd87dbc15','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"570ac928112e85059709f169ef4a7bba.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583196780734539034e+09,'completed','e0df18cbc24bd027','task_2',1.79583196781589913369e+09,1,0,NULL,1.79583196782640981672e+09,'[{"url":"http://127.0.0.1:38845/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583196783141088486e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-78a9b6b3e2bd79c80ec0de581b4d003f','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583196783827948568e+09,'failed','e0df18cbc24bd027',NULL,1.79583196784040498728e+09,1,0,NULL,NULL,'[]',1.79583196784634423256e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-bf9ee161a529333d1840442c7cd24280','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583196786709809299e+09,'running','e0df18cbc24bd027','task_3',1.79583196786971664433e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-8cbf8a8bf5926436f2d6cbba812798b4','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1795831967.89902,'submitting','e0df18cbc24bd027',NULL,1.79583196790227031707e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-efb05cd49d2ab86ed752d9936f896f38','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"a26e21f1e822d88a461fb87ee17c2cdd.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583196791398930552e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('d28b5c1dc5bd98e55eb6d29d4ceddb10.gif','chatcmpl-f733907b2ef5ff82cd698ff8c608a52a');
INSERT INTO "pictures" VALUES('096094b68d36425da771ab78b1a9d4da.gif','chatcmpl-6b7af3902ce82dfbc621dd0bd87dbc15');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-f733907b2ef5ff82cd698ff8c608a52a','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583196749102663994e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-6b7af3902ce82dfbc621dd0bd87dbc15','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583196780734539034e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-78a9b6b3e2bd79c80ec0de581b4d003f','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583196783827948568e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-bf9ee161a529333d1840442c7cd24280','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583196786709809299e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-8cbf8a8bf5926436f2d6cbba812798b4','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1795831967.89902);
INSERT INTO "sent_requests" VALUES('chatcmpl-efb05cd49d2ab86ed752d9936f896f38','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583196791398930552e+09);
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
CREATE TABLE submissions (
	generation_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	key_id TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (generation_id, attempt)
);
INSERT INTO "submissions" VALUES('chatcmpl-f733907b2ef5ff82cd698ff8c608a52a',1,'e0df18cbc24bd027',1.79583196761636495588e+09);
INSERT INTO "submissions" VALUES('chatcmpl-6b7af3902ce82dfbc621dd0bd87dbc15',1,'e0df18cbc24bd027',1.79583196782097244265e+09);
INSERT INTO "submissions" VALUES('chatcmpl-78a9b6b3e2bd79c80ec0de581b4d003f',1,'e0df18cbc24bd027',1.79583196784729552273e+09);
INSERT INTO "submissions" VALUES('chatcmpl-bf9ee161a529333d1840442c7cd24280',1,'e0df18cbc24bd027',1.79583196787664365768e+09);
INSERT INTO "submissions" VALUES('chatcmpl-8cbf8a8bf5926436f2d6cbba812798b4',1,'e0df18cbc24bd027',1.79583196790448856349e+09);
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
CREATE INDEX ix_submissions_at ON submissions (at);
CREATE INDEX ix_generations_client ON generations (client, number);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',2);
COMMIT;
PRAGMA user_version = 2;
