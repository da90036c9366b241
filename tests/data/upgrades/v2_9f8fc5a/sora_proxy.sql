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
INSERT INTO "audit" VALUES(1,1.79583197701690673825e+09,'environment',NULL,'key.add','e0df18cbc24bd027','{"key":[null,"e0df18cbc24bd027"],"weight":[null,1],"max_rpm":[null,60],"max_concurrent":[null,2],"name":[null,"first"],"enabled":[null,true]}');
INSERT INTO "audit" VALUES(2,1.79583197703771829602e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(3,1.79583197704375910753e+09,'admin key','127.0.0.1','key.add','f2cacace0a40764a','{"key":[null,"f2cacace0a40764a"],"weight":[null,1],"max_rpm":[null,60],"name":[null,"kept"],"enabled":[null,false]}');
INSERT INTO "audit" VALUES(4,1.79583197704976058007e+09,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-ace788812f777b1fa9c3fe229cebaf72','1286f4dd85c5f006','[["user","a red fox"]]');
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
INSERT INTO "events" VALUES('chatcmpl-ace788812f777b1fa9c3fe229cebaf72',1,'picture','{"index":0,"name":"09ccbd9751cf4301c490cd7d3a3be443.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-ace788812f777b1fa9c3fe229cebaf72',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-2a4122539c5f12dcd8382bb35a925564',1,'picture','{"index":0,"name":"71e0071fc11a09ecf413164a21c47e27.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-2a4122539c5f12dcd8382bb35a925564',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-15882cdc9bcc1b181e0054c727b60160',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-ace788812f777b1fa9c3fe229cebaf72','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:57245/"},"keep":false,"format":null,"compression":null}',1.79583197705972242358e+09,'completed','e0df18cbc24bd027','task_1',1.79583197706958842278e+09,1,0,NULL,1.79583197728486967091e+09,'[{"url":"http://127.0.0.1:38335/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583197733261775968e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-2a4122539c5f12dcd8382bb35a925564','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"eca16d2ec27125c591f856f4f18489e8.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197736233282082e+09,'completed','e0df18cbc24bd027','task_2',1.79583197737229847902e+09,1,0,NULL,1.79583197738469243047e+09,'[{"url":"http://127.0.0.1:38335/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583197739402389532e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-15882cdc9bcc1b181e0054c727b60160','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197741492891314e+09,'failed','e0df18cbc24bd027',NULL,1.79583197741762185094e+09,1,0,NULL,NULL,'[]',1.79583197742459726338e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-96fd4d019edec529601ea22bf932c68e','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197744486427311e+09,'running','e0df18cbc24bd027','task_3',1.79583197744786334038e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-c8821356e533a0a56f071b3a57fcc8fe','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197747540259355e+09,'submitting','e0df18cbc24bd027',NULL,1.79583197747818589214e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-efefdb106cc161d3c52ad53f17743277','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"8cbb1d6a410e07bb82d1cc3dd01a2f96.gif","include_usage":false,"metadata":{},"keep":false,"format":null,"compression":null}',1.79583197750786614419e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE keys (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	token TEXT NOT NULL, 
	config JSON NOT NULL, 
	origin TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	imported JSON, 
	memory JSON, 
	PRIMARY KEY (number), 
	UNIQUE (id), 
	UNIQUE (token)
);
INSERT INTO "keys" VALUES(1,'e0df18cbc24bd027','upstream-token-of-the-tests','{"key":"upstream-token-of-the-tests","weight":1,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}','environment',1.79583197701406073573e+09,'{"key":"upstream-token-of-the-tests","weight":1,"max_rpm":60,"max_concurrent":2,"name":"first","proxy":"","enabled":true,"notes":null}',NULL);
INSERT INTO "keys" VALUES(2,'f2cacace0a40764a','upstream-token-of-an-operator','{"key":"upstream-token-of-an-operator","weight":1,"max_rpm":60,"max_concurrent":null,"name":"kept","proxy":"","enabled":false,"notes":null}','admin',1.79583197704240775114e+09,'null',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('09ccbd9751cf4301c490cd7d3a3be443.gif','chatcmpl-ace788812f777b1fa9c3fe229cebaf72');
INSERT INTO "pictures" VALUES('71e0071fc11a09ecf413164a21c47e27.gif','chatcmpl-2a4122539c5f12dcd8382bb35a925564');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-ace788812f777b1fa9c3fe229cebaf72','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583197705972242358e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-2a4122539c5f12dcd8382bb35a925564','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583197736233282082e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-15882cdc9bcc1b181e0054c727b60160','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583197741492891314e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-96fd4d019edec529601ea22bf932c68e','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583197744486427311e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-c8821356e533a0a56f071b3a57fcc8fe','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583197747540259355e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-efefdb106cc161d3c52ad53f17743277','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583197750786614419e+09);
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
INSERT INTO "submissions" VALUES('chatcmpl-ace788812f777b1fa9c3fe229cebaf72',1,'e0df18cbc24bd027',1.79583197717764234549e+09);
INSERT INTO "submissions" VALUES('chatcmpl-2a4122539c5f12dcd8382bb35a925564',1,'e0df18cbc24bd027',1.79583197737893509866e+09);
INSERT INTO "submissions" VALUES('chatcmpl-15882cdc9bcc1b181e0054c727b60160',1,'e0df18cbc24bd027',1.79583197742535924908e+09);
INSERT INTO "submissions" VALUES('chatcmpl-96fd4d019edec529601ea22bf932c68e',1,'e0df18cbc24bd027',1.79583197745429539683e+09);
INSERT INTO "submissions" VALUES('chatcmpl-c8821356e533a0a56f071b3a57fcc8fe',1,'e0df18cbc24bd027',1.7958319774809958935e+09);
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
CREATE INDEX ix_generations_ended_at ON generations (ended_at);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',4);
COMMIT;
PRAGMA user_version = 2;
